//! The command line: arguments to stages, and what they say to streams and exit status.

mod asked;
mod build;
mod cache;
mod check;
mod compared;
mod destination;
mod diff;
mod equivalent;
mod eval;
mod explain;
mod fmt;
mod given;
mod graph;
mod init;
mod inspect;
mod lsp;
mod migrate;
mod panels;
mod query;
mod requests;
mod shell;
mod sign;
mod test;
mod watch;

#[cfg(test)]
mod examples;

use std::io::{self, IsTerminal as _, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;

use boesfs_compiler::diagnostic::human::Colour;
use clap::{Parser, Subcommand, ValueEnum};

/// Checks, compiles and asks policies about file access.
#[derive(Debug, Parser)]
#[command(name = "boesfsc", version, max_term_width = 100, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How to print.
    #[arg(long, global = true, value_enum, default_value_t = Output::Human)]
    format: Output,
    /// Threads that large policies are worked on by, as many as there are processors if not given. Nothing that comes out
    /// depends on it.
    #[arg(short, long, global = true, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// When to use colours; `NO_COLOR` in the environment means never.
    #[arg(long, global = true, value_enum, default_value_t = When::Auto)]
    color: When,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  fine
  1  the policy has errors or denied lints, or an expectation failed
  2  wrong usage, or an invalid request
  3  a file could not be read or written, or a limit was hit
  4  `eval` of a single request: denied

Examples:
  boesfsc check policy.conf
  boesfsc check --model model.txt policy.txt
  boesfsc build policy.conf -o policy.bin
  boesfsc eval policy.conf --sub /bin/bash --obj /srv/f --act read
  boesfsc explain policy.conf --sub /bin/bash --obj /srv/f --act read
  boesfsc test policy.conf --coverage
  boesfsc diff old.conf new.conf
  boesfsc query policy.conf --act write --obj '/etc/**' --expect none
  boesfsc watch policy.conf
  boesfsc inspect policy.conf --stage dfa";

#[derive(Debug, Subcommand)]
enum Command {
    /// Says what is wrong or odd with policies.
    Check(check::CheckArgs),
    /// Compiles a policy to an image.
    Build(build::BuildArgs),
    /// Asks a policy or an image about requests.
    Eval(eval::EvalArgs),
    /// Says why a request gets its answer, and what nearly decided.
    Explain(explain::ExplainArgs),
    /// Runs the tests that stand beside policies.
    Test(test::TestArgs),
    /// Writes policies in their one canonical form.
    Fmt(fmt::FmtArgs),
    /// Rewrites a policy in the explicit one-file form, proved to decide the same.
    Migrate(migrate::MigrateArgs),
    /// Writes a commented policy to start from, with its tests.
    Init(init::InitArgs),
    /// Says what two policies decide differently: exactly, with an example of each difference.
    Diff(diff::DiffArgs),
    /// Proves that two policies decide everything alike, or says that they do not.
    Equivalent(equivalent::EquivalentArgs),
    /// Says who may do what where.
    Query(query::QueryArgs),
    /// Draws roles, the automaton or the subject classes.
    Graph(graph::GraphArgs),
    /// Prints what a stage of the compiler makes of a policy, or what an image holds.
    Inspect(inspect::InspectArgs),
    /// Checks again whenever a policy changes.
    Watch(watch::WatchArgs),
    /// Serves an editor: findings, meanings, completion, renaming, fixes.
    Lsp(lsp::LspArgs),
    /// Prints a completion script for a shell.
    Completions(shell::CompletionsArgs),
    /// Prints the manual page, or writes those of all commands.
    Man(shell::ManArgs),
    /// Makes a pair of keys for signing images.
    Keygen(sign::KeygenArgs),
    /// Signs an image, as a revision of a named line of images.
    Sign(sign::SignArgs),
    /// Says whether an image is signed by a trusted key.
    Verify(sign::VerifyArgs),
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Human,
    /// For programs; with a `"version"`.
    Json,
    /// Findings as SARIF 2.1.0, of `check`.
    Sarif,
    /// Findings as GitHub's annotations, of `check`.
    Github,
    /// Findings as a JUnit report, of `check`.
    Junit,
}

/// How most commands print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// If the stream is a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a command ends with. Of several policies the worst counts, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exit {
    Fine,
    Denied,
    Refused,
    Usage,
    World,
}

impl Exit {
    fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::World => 3,
            Self::Denied => 4,
        }
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    /// The command line or a request in it makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file, a stream or the machine.
    #[error("{0}")]
    World(String),
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::World(format!("cannot write the result: {error}"))
    }
}

impl From<boesfs_compiler::LoadError> for CommandError {
    fn from(error: boesfs_compiler::LoadError) -> Self {
        Self::World(error.to_string())
    }
}

/// Where a command writes, and how.
struct Screen {
    format: Format,
    output: Output,
    colour: Colour,
    out: io::BufWriter<io::Stdout>,
}

impl Screen {
    /// Writes a JSON value as one line of the result.
    fn json(&mut self, value: &serde_json::Value) -> io::Result<()> {
        writeln!(self.out, "{value}")
    }
}

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help that was asked for is a result, which may be wanted in a file.
        Err(help) => {
            let written = help.print().and_then(|()| io::stdout().flush());
            let exit = u8::try_from(help.exit_code()).unwrap_or(Exit::Usage.code());
            return ExitCode::from(if written.is_err() { Exit::World.code() } else { exit });
        }
    };
    if let Some(jobs) = cli.jobs {
        boesfs_compiler::jobs::at_most(jobs);
    }
    let colour = match cli.color {
        When::Always => Colour::Always,
        When::Never => Colour::Never,
        When::Auto if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) => Colour::Never,
        When::Auto if std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0") => Colour::Always,
        When::Auto if io::stderr().is_terminal() => Colour::Always,
        When::Auto => Colour::Never,
    };
    let format = match cli.format {
        Output::Human => Format::Human,
        Output::Json => Format::Json,
        Output::Sarif | Output::Github | Output::Junit => {
            if !matches!(cli.command, Command::Check(_)) {
                let _ = writeln!(io::stderr(), "error: only `check` prints in this format");
                return ExitCode::from(Exit::Usage.code());
            }
            // What `check` collects is printed at its end, and nothing of it for people.
            Format::Json
        }
    };
    let mut screen = Screen { format, output: cli.format, colour, out: io::BufWriter::new(io::stdout()) };
    let result = match cli.command {
        Command::Check(args) => args.run(&mut screen),
        Command::Build(args) => args.run(&mut screen),
        Command::Eval(args) => args.run(&mut screen),
        Command::Explain(args) => args.run(&mut screen),
        Command::Test(args) => args.run(&mut screen),
        Command::Fmt(args) => args.run(&mut screen),
        Command::Migrate(args) => args.run(&mut screen),
        Command::Init(args) => args.run(&mut screen),
        Command::Diff(args) => args.run(&mut screen),
        Command::Equivalent(args) => args.run(&mut screen),
        Command::Query(args) => args.run(&mut screen),
        Command::Graph(args) => args.run(&mut screen),
        Command::Inspect(args) => args.run(&mut screen),
        Command::Watch(args) => args.run(&mut screen),
        Command::Lsp(args) => args.run(),
        Command::Completions(args) => args.run(&mut screen),
        Command::Man(args) => args.run(&mut screen),
        Command::Keygen(args) => args.run(&mut screen),
        Command::Sign(args) => args.run(&mut screen),
        Command::Verify(args) => args.run(&mut screen),
    };
    let result = result.and_then(|exit| {
        screen.out.flush()?;
        Ok(exit)
    });
    let exit = match result {
        Ok(exit) => exit,
        Err(error) => {
            // Nothing can be done if even this cannot be written.
            let _ = writeln!(io::stderr(), "error: {error}");
            if cli.format == Output::Json {
                let value = serde_json::json!({"version": 1, "error": error.to_string()});
                let _ = screen.json(&value).and_then(|()| screen.out.flush());
            }
            match error {
                CommandError::Usage(_) => Exit::Usage,
                CommandError::World(_) => Exit::World,
            }
        }
    };
    ExitCode::from(exit.code())
}
