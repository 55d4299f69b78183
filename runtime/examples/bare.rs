//! Runs a command in a sandbox on which no policy is enforced: what tests look at when they look at the sandbox alone.
//!
//! `bare [--root DIR] [--dir DIR] [--gate open|stopped] [--refuse-attach] -- CMD [ARG…]`

use std::ffi::CString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use boesfs_runtime::events::Log;
use boesfs_runtime::plane::{Engine, EngineError, ExecGate, Inside, Plane};
use boesfs_runtime::sandbox::root::Root;
use boesfs_runtime::sandbox::{Beginning, Config, Ending, Failure, Outcome, protected_directory, run};
use clap::{Parser, ValueEnum};

#[derive(Parser)]
struct Options {
    #[arg(long, default_value = "/")]
    root: PathBuf,
    #[arg(long, default_value = "/")]
    dir: PathBuf,
    #[arg(long, default_value = "open")]
    gate: Gate,
    /// Fail when the sandbox is ready.
    #[arg(long)]
    refuse_attach: bool,
    #[arg(last = true, required = true)]
    command: Vec<std::ffi::OsString>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Gate {
    Open,
    Stopped,
}

struct Nothing(Options);

impl Engine for Nothing {
    fn plane(&self) -> Plane {
        Plane::Lsm
    }

    fn exec_gate(&self) -> ExecGate {
        match self.0.gate {
            Gate::Open => ExecGate::Open,
            Gate::Stopped => ExecGate::Stopped,
        }
    }

    fn attach(&mut self, _: &Inside) -> Result<(), EngineError> {
        if self.0.refuse_attach { Err(EngineError::new(Plane::Lsm, "refused as asked")) } else { Ok(()) }
    }
}

fn main() -> ExitCode {
    let mut engine = Nothing(Options::parse());
    match outcome(&mut engine) {
        Ok(Outcome::Ended(Ending::Exited(status))) => ExitCode::from(status),
        Ok(Outcome::Ended(Ending::Signaled(signal))) => {
            ExitCode::from(u8::try_from(128 + signal).unwrap_or(255))
        }
        Ok(Outcome::KillLimit) => ExitCode::from(137),
        Ok(Outcome::Killed(reason)) => complain(&reason, 137),
        Ok(Outcome::Failed(failure)) => {
            let status = match failure {
                Failure::Setup { .. } | Failure::Refused { .. } => 125,
                Failure::Exec { .. } => 126,
                Failure::NotFound { .. } => 127,
            };
            complain(&failure, status)
        }
        Err(error) => complain(&error, 125),
    }
}

fn complain(error: &dyn std::fmt::Display, status: u8) -> ExitCode {
    eprintln!("bare: {error}");
    ExitCode::from(status)
}

fn outcome(engine: &mut Nothing) -> Result<Outcome, Box<dyn std::error::Error>> {
    let root = Root::open(&engine.0.root)?;
    let dir = protected_directory(&root, &engine.0.dir)?;
    let cwd = root.seen_inside(&std::env::current_dir()?).unwrap_or_else(|| Path::new("/").to_owned());
    let config = Config {
        name: "bare".into(),
        policy: String::new(),
        root,
        dir,
        cwd,
        command: engine
            .0
            .command
            .iter()
            .map(|word| CString::new(word.as_bytes()))
            .collect::<Result<_, _>>()?,
        environment: std::env::vars_os()
            .map(|(name, value)| CString::new([name.as_bytes(), b"=", &value.into_vec()].concat()))
            .collect::<Result<_, _>>()?,
        kill_after: None,
        denies_watching: false,
        tells_programs_apart: false,
    };
    Ok(run(&config, engine, &mut Log::counting(), Beginning::Free))
}
