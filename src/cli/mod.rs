//! The command line. Each subcommand is a file of its own; this one says what the arguments are.
//!
//! Arguments are checked here, before anything starts, so that a mistake ends with exit code 2 and a sentence about it.
//! Every flag is also an environment variable; a flag given on the command line wins.

mod crds;
mod run;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

pub use crds::CrdsArgs;
pub use run::RunArgs;

/// Asked to stop, or done.
pub const STOPPED: u8 = 0;
/// Something failed.
pub const FAILED: u8 = 1;
/// The arguments cannot be used.
pub const BAD_ARGUMENTS: u8 = 2;

/// Manages webhook endpoints and subscriptions at healthcare integration providers from Kubernetes.
#[derive(Clone, Debug, Parser)]
#[command(name = "external-webhooks", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run the operator until it is asked to stop.
    Run(RunArgs),
    /// Print the custom resource definitions as YAML.
    Crds(CrdsArgs),
}

/// Why a subcommand did not do its work, with the exit code it stands for.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// A failure at work (exit code 1).
    pub fn failed(message: impl ToString) -> Self {
        Self { code: FAILED, message: message.to_string() }
    }

    /// An argument or variable that cannot be used (exit code 2).
    pub fn bad_argument(message: impl ToString) -> Self {
        Self { code: BAD_ARGUMENTS, message: message.to_string() }
    }
}

/// Parses the process's arguments and does what they say.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout and are no mistake; a closed stdout is not worth another message.
            let _ = error.print();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::from(STOPPED),
                _ => ExitCode::from(BAD_ARGUMENTS),
            };
        }
    };
    let result = match cli.command {
        Command::Run(args) => run::main(args),
        Command::Crds(args) => crds::main(&args),
    };
    match result {
        Ok(()) => ExitCode::from(STOPPED),
        Err(failure) => {
            // Not a log line: whoever started the process reads it, whatever the log filter is.
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "error: {}", failure.message);
            ExitCode::from(failure.code)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_the_flags_that_work_are_there() {
        let mut command = Cli::command();
        let run = command.find_subcommand_mut("run").unwrap();
        let flags: Vec<_> = run.get_arguments().filter_map(clap::Arg::get_long).collect();
        assert_eq!(
            flags,
            ["namespace", "allowed-base-url", "leader-elect", "http-addr", "allow-private-targets", "log-format"]
        );
        for argument in run.get_arguments().filter(|argument| argument.get_long().is_some()) {
            let flag = argument.get_long().unwrap().to_uppercase().replace('-', "_");
            let variable = argument.get_env().unwrap().to_string_lossy();
            assert_eq!(variable, format!("EXTERNAL_WEBHOOKS_{flag}"));
        }
    }

    #[test]
    fn bad_arguments_end_with_two() {
        for wrong in [
            &["run", "--no-such-flag"][..],
            &["walk"],
            &["run", "--leader-elect=perhaps"],
            &["run", "--http-addr", "8080"],
            &["run", "--log-format", "xml"],
            &["run", "--namespace", ""],
            &["run", "--namespace", "Not_A_Name"],
            &["run", "--allowed-base-url", "ftp://example.com"],
            &["crds", "extra"],
        ] {
            let error = Cli::try_parse_from([&["external-webhooks"], wrong].concat()).unwrap_err();
            assert_eq!(error.exit_code(), i32::from(BAD_ARGUMENTS), "{wrong:?}");
        }
    }
}
