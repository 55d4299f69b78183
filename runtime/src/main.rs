//! The `boesfs` command.

use std::process::ExitCode;

use boesfs_runtime::cli::{Cli, Command, Format, ProbeArgs};
use boesfs_runtime::probe::Report;
use boesfs_runtime::{manage, run};
use clap::Parser;
use clap::error::ErrorKind;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match cli.command {
        Command::Run(args) => ExitCode::from(run::run(&args)),
        Command::Ps(args) => ExitCode::from(manage::ps(&args)),
        Command::Reload(args) => ExitCode::from(manage::reload(&args)),
        Command::Kill(args) => ExitCode::from(manage::kill(&args)),
        Command::Rm(args) => ExitCode::from(manage::rm(&args)),
        Command::Gc => ExitCode::from(manage::gc()),
        Command::Probe(args) => probe(&args),
    }
}

/// Help goes where it belongs. The exit status of `run` is the command's own, so that of wrong usage must not be
/// one that commands use.
fn usage(error: &clap::Error) -> ExitCode {
    // There is nobody to tell that the message could not be written.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ if std::env::args_os().nth(1).is_some_and(|command| command == "run") => {
            ExitCode::from(run::SETUP_FAILED)
        }
        _ => ExitCode::from(2),
    }
}

fn probe(args: &ProbeArgs) -> ExitCode {
    let report = Report::new();
    let text = match args.format {
        Format::Human => report.to_string(),
        Format::Json => match serde_json::to_string_pretty(&report) {
            Ok(text) => text + "\n",
            Err(error) => {
                eprintln!("boesfs: {error}");
                return ExitCode::FAILURE;
            }
        },
    };
    ExitCode::from(run::print(&text))
}
