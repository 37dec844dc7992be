//! The stream of a watch, broken where it is asked for.

use std::collections::VecDeque;
use std::io;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::Response;
use hyper::body::Frame;

use super::faults::WatchFault;
use crate::sim::server::Body;

const GONE: &[u8] = b"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\
\"status\":\"Failure\",\"message\":\"too old resource version\",\"reason\":\"Expired\",\"code\":410}}\n";

/// The same answer with a fault in its stream.
pub(super) fn broken(response: Response<Body>, fault: WatchFault) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let lines = stream::unfold((body.into_data_stream(), Lines::default()), |(mut data, mut lines)| async move {
        loop {
            if let Some(line) = lines.ready.pop_front() {
                return Some((line, (data, lines)));
            }
            match data.next().await {
                Some(Ok(bytes)) => lines.take(&bytes),
                _ => return None,
            }
        }
    });
    Response::from_parts(parts, StreamBody::new(fate(lines.boxed(), fault)).boxed_unsync())
}

/// Whole lines of a stream that is cut anywhere.
#[derive(Default)]
struct Lines {
    rest: BytesMut,
    ready: VecDeque<Bytes>,
}

impl Lines {
    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            self.ready.push_back(self.rest.split_to(end + 1).freeze());
        }
    }
}

/// What is passed on of each line.
enum Step {
    Pass(Bytes),
    Nothing,
    Last(Bytes),
    Cut(Bytes),
    Silence,
}

fn step(number: usize, line: Bytes, fault: WatchFault) -> Step {
    match fault {
        WatchFault::Cut(at) if number == at => Step::Cut(line.slice(..line.len() / 2)),
        WatchFault::End(at) if number == at => Step::Last(Bytes::new()),
        WatchFault::Gone(at) if number == at => Step::Last(Bytes::from_static(GONE)),
        WatchFault::Drop(at) if number == at => Step::Nothing,
        WatchFault::Drop(at) if number > at => Step::Last(Bytes::from_static(GONE)),
        WatchFault::Silent(at) if number >= at => Step::Silence,
        _ => Step::Pass(line),
    }
}

type Lined = stream::BoxStream<'static, Bytes>;

fn fate(lines: Lined, fault: WatchFault) -> impl Stream<Item = Result<Frame<Bytes>, io::Error>> {
    let reset = || io::Error::from(io::ErrorKind::ConnectionAborted);
    stream::unfold((Some(lines), 0_usize, false), move |(mut lines, mut number, cut)| async move {
        if cut {
            return Some((Err(reset()), (None, number, false)));
        }
        loop {
            let line = lines.as_mut()?.next().await?;
            number += 1;
            let frame = |bytes| Ok(Frame::data(bytes));
            match step(number, line, fault) {
                Step::Pass(line) => return Some((frame(line), (lines, number, false))),
                Step::Nothing => {}
                Step::Last(line) => return Some((frame(line), (None, number, false))),
                Step::Cut(half) => return Some((frame(half), (None, number, true))),
                Step::Silence => std::future::pending::<()>().await,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn seen(fault: WatchFault) -> (String, bool) {
        let lines = stream::iter(["a1\n", "b2\n", "c3\n"].map(|line| Bytes::from_static(line.as_bytes()))).boxed();
        let (mut text, mut cut) = (String::new(), false);
        let mut frames = std::pin::pin!(fate(lines, fault));
        while let Some(frame) = frames.next().await {
            match frame.map(|frame| frame.into_data().unwrap_or_default()) {
                Ok(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => cut = true,
            }
        }
        (text, cut)
    }

    #[tokio::test]
    async fn each_fault_breaks_the_stream_in_its_own_way() {
        assert_eq!(seen(WatchFault::Cut(2)).await, ("a1\nb".to_owned(), true));
        assert_eq!(seen(WatchFault::End(2)).await, ("a1\n".to_owned(), false));
        let (gone, dropped) = (seen(WatchFault::Gone(2)).await.0, seen(WatchFault::Drop(2)).await.0);
        assert!(gone.starts_with("a1\n{") && gone.contains("410") && !gone.contains("b2"), "{gone}");
        assert!(dropped.starts_with("a1\n{") && !dropped.contains("b2") && !dropped.contains("c3"), "{dropped}");
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        let mut lines = Lines::default();
        for piece in ["a", "b\nc", "\n", "d"] {
            lines.take(piece.as_bytes());
        }
        assert_eq!(lines.ready, ["ab\n", "c\n"].map(|line| Bytes::from_static(line.as_bytes())));
    }
}
