//! Everything that one operator logs, at trace level. Each operator has a collector of its own, because many run side by
//! side in this process.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// Collected lines; clones share them.
#[derive(Clone, Default)]
pub struct Logs {
    lines: Arc<Mutex<Vec<u8>>>,
    brief: bool,
}

impl Logs {
    /// Without the traces of the crates below us, which cost more than all the rest of a run.
    pub fn brief() -> Self {
        Self { brief: true, ..Self::default() }
    }

    /// A subscriber that writes here.
    pub fn dispatch(&self) -> Dispatch {
        let format = tracing_subscriber::fmt().with_ansi(false).with_max_level(LevelFilter::TRACE);
        let format = format.with_writer(self.clone()).finish();
        if self.brief {
            let own =
                Targets::new().with_default(LevelFilter::INFO).with_target("external_webhooks", LevelFilter::TRACE);
            return Dispatch::new(format.with(own));
        }
        Dispatch::new(format)
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&lines).into_owned()
    }

    /// The operator's own last lines.
    pub fn tail(&self, lines: usize) -> String {
        let text = self.text();
        let own =
            |line: &&str| line.contains(" external_webhooks::") || line.contains(" WARN ") || line.contains(" ERROR ");
        let own: Vec<&str> = text.lines().filter(own).collect();
        own[own.len().saturating_sub(lines)..].join("\n")
    }
}

impl io::Write for Logs {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logs {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
