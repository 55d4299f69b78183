//! The command line of `boesfs`.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  boesfsc build service.conf -o service.bin
  boesfs run --dir /srv service.bin -- /bin/sh -c 'ls /srv'
  boesfs run --dir /srv --events denied.jsonl --kill-after 3 service.bin -- make
  boesfs run --dry-run service.bin -- /bin/true     what would be done
  boesfs ps                                         which sandboxes there are
  boesfs reload web service-2.bin                   another policy for one of them, between two calls
  boesfs probe                                      what this machine can do";

const RUN_EXAMPLES: &str = "\
Examples:
  boesfs run policy.bin -- /bin/bash
  boesfs run --dir /srv --events denied.jsonl policy.bin -- make -j4
  boesfs run --dir /work --outside allow policy.bin -- ./agent
  boesfs run --root /var/lib/image --dir / policy.bin -- /bin/sh
  boesfs run --plane fuse --kill-after 1 --events - policy.bin -- ./untrusted 2>err

Exit status:
  the command's own; 128+n if it died of signal n
  125  the sandbox could not be set up, and nothing ran
  126  the command could not be executed
  127  the command was not found
  137  the sandbox was killed, with an event if its kill limit ended it";

/// Runs commands in sandboxes in which a compiled policy decides about every file operation.
#[derive(Debug, Parser)]
#[command(name = "boesfs", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a command in a sandbox under a policy.
    Run(Box<RunArgs>),
    /// List the sandboxes that run.
    Ps(PsArgs),
    /// Give a running sandbox of the lsm plane another policy.
    ///
    /// Every call is decided by the one policy or the other, and its event says by which. Open descriptors stay open;
    /// what is done with them from then on is judged by the new policy. A process's class is that of the program it runs.
    /// The policy's kill limit counts from then on, unless the sandbox was started with --kill-after.
    Reload(ReloadArgs),
    /// Kill every process of a sandbox.
    Kill(KillArgs),
    /// Clear away what is left of a sandbox whose supervisor was killed.
    Rm(RmArgs),
    /// Clear away whatever sandboxes and engines have left that are gone.
    Gc,
    /// Tell what this machine can do, which plane would be taken, and why not the other.
    Probe(ProbeArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArgs {
    /// Where to enforce: `auto` takes lsm where it works, else fuse.
    #[arg(long, value_name = "PLANE", default_value = "auto")]
    pub plane: PlaneChoice,
    /// The protected directory, an absolute path as seen in the sandbox: only what lies below it is judged.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub dir: PathBuf,
    /// What to do with a policy that denies outside the protected directory, where it has no effect.
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub outside: Outside,
    /// The directory that is `/` in the sandbox.
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// The sandbox's name, in events and as `r.dom` in policies: up to 200 letters, digits, `-` and `_`, or fewer of others.
    #[arg(long, value_parser = crate::tenants::parse_name)]
    pub name: Option<String>,
    /// Kill the sandbox at its Nth denial, whatever the policy says.
    #[arg(long, value_name = "N")]
    pub kill_after: Option<NonZeroU64>,
    /// Decide and report, and deny nothing: events have the verdict, and no errno. Only on the lsm plane.
    #[arg(long)]
    pub permissive: bool,
    /// See to it that no other program changes what is in the kernel, not even as root. Only on the lsm plane, for all its
    /// sandboxes, until the last has ended; refused where sandboxes run that are not sealed.
    #[arg(long)]
    pub seal: bool,
    /// Append events to FILE, one JSON object a line; `-` is the standard output, which the command has too.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Tell at most N events of one kind in a second, and how many there were besides; 0 tells all. Events of one kind
    /// differ in time and process alone. Only on the lsm plane, where it is 1000 if not given.
    #[arg(long, value_name = "N")]
    pub event_rate: Option<u32>,
    /// Run only a policy that is signed by the public key in FILE. May be repeated: one of them.
    #[arg(long, value_name = "FILE")]
    pub trust: Vec<PathBuf>,
    /// Remember in FILE which revision of each release ran, and never run an older one. What could not be set up or executed
    /// has not run.
    #[arg(long, value_name = "FILE", requires = "trust")]
    pub ledger: Option<PathBuf>,
    /// Check everything, print what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How to print a dry run.
    #[arg(long, value_name = "FORMAT", default_value = "human", requires = "dry_run")]
    pub format: Format,
    /// Say on standard error what is done.
    #[arg(short, long)]
    pub verbose: bool,
    /// The compiled policy.
    pub policy: PathBuf,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Arguments of `probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// How to print.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: Format,
}

/// Arguments of `ps`.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// How to print.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub format: Format,
}

/// Arguments of `reload`.
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// What to do with a policy that denies outside the protected directory, where it has no effect.
    #[arg(long, value_name = "WHAT", default_value = "refuse")]
    pub outside: Outside,
    /// Take only a policy that is signed by the public key in FILE. May be repeated: one of them.
    #[arg(long, value_name = "FILE")]
    pub trust: Vec<PathBuf>,
    /// Remember in FILE which revision of each release ran, and never take an older one.
    #[arg(long, value_name = "FILE", requires = "trust")]
    pub ledger: Option<PathBuf>,
    /// Refuse to read, write and map what is open and could not be opened any more. What is mapped stays mapped.
    #[arg(long)]
    pub strict: bool,
    /// The sandbox.
    pub name: String,
    /// The compiled policy.
    pub policy: PathBuf,
}

/// Arguments of `kill`.
#[derive(Debug, Args)]
pub struct KillArgs {
    /// The sandbox.
    pub name: String,
}

/// Arguments of `rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Kill it first if it runs.
    #[arg(long)]
    pub force: bool,
    /// The sandbox.
    pub name: String,
}

/// A plane, or the choice of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlaneChoice {
    /// The lsm plane where it works, else the fuse plane.
    Auto,
    /// The lsm plane or none.
    Lsm,
    /// The fuse plane or none.
    Fuse,
}

/// What to do with a policy that denies outside the protected directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Outside {
    /// Do not run.
    Refuse,
    /// Run; nothing is judged there.
    Allow,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}
