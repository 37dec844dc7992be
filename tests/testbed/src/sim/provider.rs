//! What a simulated provider brings.

use super::{Answer, Call, Records, Request};
use serde_json::Value;

/// A provider's whole state, and how it answers. Cloned where a request must be answered without taking effect.
pub trait Provider: Clone + Send + 'static {
    /// What its connections and deliveries share besides the state.
    type Own: Send + Sync + 'static;

    /// What is recorded of calls.
    fn records(&self) -> &Records;
    /// The same, to add to.
    fn records_mut(&mut self) -> &mut Records;
    /// Completes what is recorded of a call that has arrived: who calls, and what it names.
    fn introduce(&self, request: &Request, call: &mut Call);
    /// Carries a request out and answers it.
    fn handle(&mut self, request: &Request) -> Answer;
    /// Notes what an answered call has created.
    fn made(answer: &Answer, call: &mut Call);
    /// The body of its usual failure.
    fn trouble() -> Value;
    /// The answer of a request that is put off.
    fn accepted(request: &Request) -> Answer;
    /// A body whose shape is not what the documents say: lists for objects and the reverse.
    fn inside_out(body: &mut Value);
}
