//! Insight Health as a [`Provider`]: what it adds to a call's record, and the forms of its failures.

use super::{config::SimTiming, push::Pushed, routes, sign::API_KEY, world::World};
use crate::sim::{Answer, Call, Provider, Records, Request};
use serde_json::{Value, json};
use std::sync::Mutex;

/// What no request changes.
pub struct Own {
    pub timing: SimTiming,
    pub pushed: Mutex<Vec<Pushed>>,
}

impl Provider for World {
    type Own = Own;

    fn records(&self) -> &Records {
        &self.records
    }

    fn records_mut(&mut self) -> &mut Records {
        &mut self.records
    }

    fn introduce(&self, request: &Request, call: &mut Call) {
        call.caller = request.header(API_KEY).and_then(|key| self.key(key)).map(|key| key.label.clone());
    }

    fn handle(&mut self, request: &Request) -> Answer {
        routes::handle(self, request)
    }

    /// Nothing that is created here has a name of the provider's.
    fn made(_: &Answer, _: &mut Call) {}

    fn trouble() -> Value {
        json!({"message": "Internal server error", "success": false, "code": 500})
    }

    fn accepted(_: &Request) -> Answer {
        Answer::json(202, json!({"message": "Accepted", "success": true, "code": 202}))
    }

    fn inside_out(body: &mut Value) {
        *body = json!([body.take()]);
    }
}
