//! What is printed: numbered steps, commands with their output, checks. Colours only where a person looks.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Lines of the operator's log that a failure shows.
const LOG_TAIL: usize = 40;

/// Prints to stdout. A closed stdout ends nothing: the checks still count.
pub struct Narrator {
    style: Style,
    step: Cell<usize>,
    since: Cell<Instant>,
}

/// How text is marked; plain where nobody sees it.
#[derive(Clone, Copy)]
pub struct Style {
    colours: bool,
}

impl Style {
    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// For what holds.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For what does not.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// For what is under way.
    pub fn waiting(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// For what may be passed over.
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }
}

impl Narrator {
    pub fn new() -> Self {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { style: Style { colours }, step: Cell::new(0), since: Cell::new(Instant::now()) }
    }

    pub fn style(&self) -> Style {
        self.style
    }

    pub fn title(&self, text: &str) {
        print(&self.style.strong(text));
    }

    /// Begins a numbered step.
    pub fn step(&self, text: &str) {
        self.step.set(self.step.get() + 1);
        self.since.set(Instant::now());
        print(&format!("\n{}", self.style.strong(&format!("{:>2}  {text}", self.step.get()))));
    }

    /// A check that held.
    pub fn done(&self, text: &str) {
        let took = self.style.faint(&format!("({})", seconds(self.since.get().elapsed())));
        print(&format!("    {} {text} {took}", self.style.good("✔")));
    }

    /// A sentence beside the checks.
    pub fn say(&self, text: &str) {
        print(&format!("      {text}"));
    }

    /// A command as it could be typed.
    pub fn command(&self, text: &str) {
        print(&format!("    {} {text}", self.style.faint("$")));
    }

    /// What a command printed.
    pub fn output(&self, text: &str) {
        for line in text.lines() {
            print(&format!("      {}", self.style.faint(line)));
        }
    }

    /// A table, in full colour.
    pub fn table(&self, text: &str) {
        for line in text.lines() {
            print(&format!("      {line}"));
        }
    }

    /// The step that did not hold.
    pub fn broken(&self, text: &str) {
        let step = self.step.get();
        print(&format!("    {} step {step} did not hold: {text}", self.style.bad("✘")));
    }

    /// The end of a log.
    pub fn log_tail(&self, log: &str) {
        let lines: Vec<&str> = log.lines().collect();
        print(&format!("\nThe end of the operator's log ({} lines in all):", lines.len()));
        for line in &lines[lines.len().saturating_sub(LOG_TAIL)..] {
            print(&format!("  {}", self.style.faint(line)));
        }
    }

    /// The last line.
    pub fn verdict(&self, good: bool, text: &str) {
        let mark = if good { self.style.good("✔") } else { self.style.bad("✘") };
        print(&format!("\n{mark} {}", self.style.strong(text)));
    }
}

/// A duration as people read it.
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// One line on stdout.
pub fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
