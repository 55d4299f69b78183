//! `boesfsc init`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use boesfs_compiler::files::create;
use boesfs_compiler::starters::{Starter, starter};
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;

use super::{CommandError, Exit, Format, Screen};

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Kinds:
  build-step         reads its sources, writes its output, runs the tools it is given
  coding-agent       reads a repository but for its secrets, writes below src and target
  function           a short job: reads its code and its input, writes its output
  read-only-service  reads its data, writes its log and its state

Examples:
  boesfsc init coding-agent                 writes coding-agent.conf and coding-agent.test.ron
  boesfsc init function -o thumbnails.conf
  boesfsc test thumbnails.conf")]
pub(super) struct InitArgs {
    /// What the policy is for.
    #[arg(value_name = "KIND", value_parser = PossibleValuesParser::new(["build-step", "coding-agent", "function", "read-only-service"]))]
    kind: String,
    /// Where the policy goes; its tests go beside it. `KIND.conf` if not given.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace files that are there already.
    #[arg(long)]
    force: bool,
}

impl InitArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let Some(Starter { name, policy, tests }) = starter(&self.kind) else {
            return Err(CommandError::Usage(format!("there is no starter `{}`", self.kind)));
        };
        let path = self.output.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.conf")));
        let beside = path.with_extension("test.ron");
        if beside == path {
            return Err(CommandError::Usage(format!("`{}` is the name of a test file", path.display())));
        }
        // Neither is written if one would be overwritten.
        for path in [&path, &beside] {
            if !self.force && path.symlink_metadata().is_ok() {
                return Err(failed(path, &io::Error::from(io::ErrorKind::AlreadyExists)));
            }
        }
        for (path, text) in [(&path, policy), (&beside, tests)] {
            create(path, text.as_bytes(), self.force).map_err(|error| failed(path, &error))?;
        }
        match screen.format {
            Format::Human => {
                writeln!(screen.out, "{}\n{}", path.display(), beside.display())?;
            }
            Format::Json => screen.json(&json!({
                "version": 1,
                "policy": path.display().to_string(),
                "tests": beside.display().to_string(),
            }))?,
        }
        Ok(Exit::Fine)
    }
}

fn failed(path: &Path, error: &io::Error) -> CommandError {
    let path = path.display();
    CommandError::World(match error.kind() {
        io::ErrorKind::AlreadyExists => format!("`{path}` exists already; `--force` replaces it"),
        _ => format!("`{path}` cannot be written: {error}"),
    })
}
