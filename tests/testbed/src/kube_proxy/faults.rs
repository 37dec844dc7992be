//! What can go wrong between the operator and the API server.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::call::KubeCall;
use crate::nexhealth::When;

/// What befalls one request.
#[derive(Clone, Debug)]
pub enum KubeFault {
    /// The connection is reset.
    Reset(When),
    /// No answer, for as long as the client waits.
    Hang(When),
    /// Another answer: an API status of this code, with `Retry-After` if given.
    Answer(When, u16, Option<String>),
    /// It is carried out this much later.
    Delay(Duration),
    /// It is carried out when this is cancelled, even if the client has gone by then.
    Hold(CancellationToken),
    /// Only for watches: something happens to the stream.
    Watch(WatchFault),
}

/// What befalls the stream of a watch, counted in events (bookmarks too) from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchFault {
    /// Half of this event, then a reset.
    Cut(usize),
    /// The stream ends before this event, as the API server ends watches now and then.
    End(usize),
    /// In place of this event the server says that the version is too old.
    Gone(usize),
    /// This event is not passed on; the next one is answered with "too old", so that the client lists what it missed.
    Drop(usize),
    /// From this event on nothing comes any more, and the stream stays open.
    Silent(usize),
}

/// Decides about a request. It is asked when the request arrives and, unless it never reaches the API server, again when
/// that has answered.
pub type KubeHook = Arc<dyn Fn(&KubeCall) -> Option<KubeFault> + Send + Sync>;
