//! Logs: one line per event on stderr, JSON or text, filtered by `RUST_LOG`.
//!
//! Lines go through a bounded queue to a thread of their own. A stderr that nobody reads (a stalled log collector, a
//! stopped terminal) then costs log lines, which are counted and reported, and never a worker thread.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The filter without `RUST_LOG`: ours at info, the plumbing at warn. kube's request layer is silent, because it logs an
/// error for every failed request, which its caller is told anyway and reports once.
pub const DEFAULT_FILTER: &str =
    "info,kube=warn,kube_client::client::builder=off,hyper=warn,tower=warn,rustls=warn,reqwest=warn,h2=warn";

/// Lines that may wait for a slow stderr.
const QUEUE: usize = 4096;

/// How long the end of the process waits for the last lines.
const FLUSH: Duration = Duration::from_secs(1);

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `RUST_LOG` cannot be read.
    #[error("RUST_LOG is not a filter ({0}); write for example RUST_LOG=info,external_webhooks=debug")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// A subscriber is already there.
    #[error("logging is already set up in this process: {0}")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
    /// The writing thread could not be started.
    #[error("cannot start the log writer: {0}")]
    Thread(#[from] io::Error),
}

/// Keeps the log writer alive; dropping it waits a moment for the last lines.
#[must_use = "logging ends when this is dropped"]
#[derive(Debug)]
pub struct Guard {
    queue: Queue,
    thread: Option<JoinHandle<()>>,
}

/// Sets up logging for the process. `rust_log` is the value of `RUST_LOG`, if it is set.
///
/// # Errors
/// See [`TelemetryError`].
pub fn start(format: LogFormat, rust_log: Option<&str>) -> Result<Guard, TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = EnvFilter::try_new(rust_log.filter(|filter| !filter.trim().is_empty()).unwrap_or(DEFAULT_FILTER))?;
    let guard = spawn(io::stderr(), QUEUE)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(guard.queue.clone());
    match format {
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init()?,
        LogFormat::Text => {
            let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            builder.with_ansi(colours).finish().try_init()?;
        }
    }
    Ok(guard)
}

enum Message {
    Line(Vec<u8>),
    End,
}

#[derive(Clone, Debug)]
struct Queue {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Write for Queue {
    /// Takes one whole line: the formatter hands over each event in a single call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(Message::Line(line.to_vec())) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn spawn(out: impl Write + Send + 'static, size: usize) -> io::Result<Guard> {
    let (lines, received) = sync_channel(size);
    let dropped = Arc::new(AtomicU64::new(0));
    let queue = Queue { lines, dropped: Arc::clone(&dropped) };
    let thread = std::thread::Builder::new().name("log".into()).spawn(move || drain(out, &received, &dropped))?;
    Ok(Guard { queue, thread: Some(thread) })
}

fn drain(mut out: impl Write, received: &Receiver<Message>, dropped: &AtomicU64) {
    loop {
        let line = match received.recv_timeout(Duration::from_secs(1)) {
            Ok(Message::Line(line)) => Some(line),
            Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => None,
        };
        // A closed stderr is nobody's loss: there is nowhere to say so.
        if let Some(line) = line {
            let _ = out.write_all(&line);
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(
                out,
                r#"{{"level":"WARN","message":"{lost} log lines dropped: stderr was not read in time"}}"#
            );
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let deadline = Instant::now() + FLUSH;
        while let Err(TrySendError::Full(_)) = self.queue.lines.try_send(Message::End) {
            if Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_out_when_the_guard_is_gone() {
        let out = Shared::default();
        let guard = spawn(out.clone(), QUEUE).unwrap();
        for n in 0..1000 {
            guard.queue.clone().write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        drop(guard);
        assert_eq!(String::from_utf8(out.0.lock().unwrap().clone()).unwrap().lines().count(), 1000);
    }

    #[test]
    fn a_stalled_reader_costs_lines_and_not_time() {
        let out = Shared::default();
        let stalled = out.0.lock().unwrap();
        let guard = spawn(out.clone(), 2).unwrap();
        let start = Instant::now();
        for _ in 0..100 {
            guard.queue.clone().write_all(b"x\n").unwrap();
        }
        assert!(start.elapsed() < Duration::from_millis(500));
        assert!(guard.queue.dropped.load(Ordering::Relaxed) >= 90);
        drop(stalled);
        drop(guard);
        assert!(String::from_utf8_lossy(&out.0.lock().unwrap()).contains("log lines dropped"));
    }

    #[test]
    fn the_default_filter_is_valid_and_a_bad_one_says_what_to_write() {
        assert!(EnvFilter::try_new(DEFAULT_FILTER).is_ok());
        let error = start(LogFormat::Text, Some("a=b=c")).unwrap_err();
        assert!(error.to_string().contains("for example"), "{error}");
    }
}
