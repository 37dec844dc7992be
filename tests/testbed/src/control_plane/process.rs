//! Servers and builds that cannot outlive the process that started them, however it ends.
//!
//! `unsafe` is forbidden here, so there is no `prctl(PR_SET_PDEATHSIG)`. Each server runs under a small shell that holds the
//! read end of a pipe. The write end is ours alone (close-on-exec), so the shell sees its end when we drop it, exit, panic or
//! are killed with SIGKILL, and then kills the server and removes the working folder.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::Error;

/// `$1` is the working folder, the rest is the command. A line on the pipe stops the server alone; the pipe's end means that
/// all of them stop, so each shell removes the folder too, and the last one does so when nothing writes into it any more.
const SUPERVISOR: &str = r#"
dir=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
stop() { kill -KILL "$child" 2>/dev/null; wait "$child" 2>/dev/null; }
trap 'stop; exit 0' USR1
trap 'stop; rm -rf "$dir"; exit 0' USR2 TERM INT HUP
( if read -r line <&3; then kill -USR1 $$; else kill -USR2 $$; fi ) &
reader=$!
exec 3<&-
wait "$child"; code=$?
kill -KILL "$reader" 2>/dev/null
exit "$code"
"#;

const LOG_TAIL: usize = 25;

/// A running server and the pipe that keeps it alive.
#[derive(Debug)]
pub(super) struct Supervised {
    program: &'static str,
    shell: Child,
    lifeline: Option<ChildStdin>,
    log: PathBuf,
}

impl Supervised {
    /// Starts `binary` with `args`, its output in `dir/<program>.log`.
    pub(super) fn spawn(program: &'static str, binary: &Path, args: &[String], dir: &Path) -> Result<Self, Error> {
        let log = dir.join(format!("{program}.log"));
        let file = File::options().create(true).append(true).open(&log).map_err(Error::io(&log))?;
        let errors = file.try_clone().map_err(Error::io(&log))?;
        let mut shell = Command::new("sh")
            .args(["-c", SUPERVISOR, program])
            .arg(dir)
            .arg(binary)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(errors)
            // Its own group: Ctrl-C in a terminal must not end the shell before it has ended the server.
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Spawn { program: format!("sh (for {program})"), source })?;
        let lifeline = shell.stdin.take();
        Ok(Self { program, shell, lifeline, log })
    }

    /// Its exit status once it has ended by itself.
    pub(super) fn status(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.shell.try_wait().map_err(|source| Error::Spawn { program: self.program.to_owned(), source })
    }

    /// An error when the server has ended by itself.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        match self.status()? {
            None => Ok(()),
            Some(status) => Err(Error::Exited { program: self.program, status, log: self.log_tail() }),
        }
    }

    /// The error for a server that runs but does not answer in time.
    pub(super) fn not_ready(&self, timeout: Duration) -> Error {
        Error::NotReady { program: self.program, seconds: timeout.as_secs(), log: self.log_tail() }
    }

    /// Stops this server alone and keeps the working folder, to start it again.
    pub(super) fn stop(mut self) {
        if let Some(lifeline) = &mut self.lifeline {
            // An error means that the shell is gone already; then there is nothing to stop.
            let _ = lifeline.write_all(b"stop\n");
        }
        self.wait();
    }

    /// Sends a signal, such as `STOP`, to the server and the shell that keeps it.
    pub(super) fn signal(&self, name: &str) -> Result<(), Error> {
        let group = format!("-{}", self.shell.id());
        let spawned = Command::new("kill").args([&format!("-{name}"), "--", &group]).status();
        spawned.map(drop).map_err(|source| Error::Spawn { program: "kill".to_owned(), source })
    }

    /// Tells the shell to kill the server and remove the folder; `wait` learns when it has.
    pub(super) fn release(&mut self) {
        self.lifeline = None;
    }

    /// Waits for the end after `release`; killing takes milliseconds, so the limit is for a stuck kernel only.
    pub(super) fn wait(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.shell.try_wait() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// The last lines of its output, for error messages.
    pub(super) fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL)..].join("\n")
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.release();
        self.wait();
    }
}
