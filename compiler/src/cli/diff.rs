//! `boesfsc diff`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use boesfs_compiler::compare::{Limits, compare};
use clap::Args;

use super::compared::{ComparingLimits, Loaded};
use super::given::Reading;
use super::{CommandError, Exit, Format, Screen};

/// Which two policies.
#[derive(Debug, Args)]
pub(super) struct Pair {
    /// A policy or an image.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// Another.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// The model of OLD, if that is not `--model`.
    #[arg(long, value_name = "MODEL")]
    model_old: Option<PathBuf>,
    /// The model of NEW, if that is not `--model`.
    #[arg(long, value_name = "MODEL")]
    model_new: Option<PathBuf>,
}

impl Pair {
    /// Both, or how the command ends.
    pub(super) fn load(
        &self,
        reading: &Reading,
        screen: &mut Screen,
    ) -> Result<Result<(Loaded, Loaded), Exit>, CommandError> {
        let model = |own: &'_ Option<PathBuf>| own.clone().or_else(|| reading.model.clone());
        let load = |policy: &Path, model: Option<PathBuf>, screen: &mut Screen| {
            Loaded::new(reading, policy, model.as_deref(), screen)
        };
        let old = match load(&self.old, model(&self.model_old), screen)? {
            Ok(old) => old,
            Err(exit) => return Ok(Err(exit)),
        };
        Ok(load(&self.new, model(&self.model_new), screen)?.map(|new| (old, new)))
    }
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 if every request gets the same decision, 1 if not.

Examples:
  boesfsc diff old.conf new.conf
  boesfsc diff --model model.conf old.csv new.csv
  boesfsc diff deployed.bin policy.conf                  what would change if it were deployed
  boesfsc diff old.conf new.conf --attribution           and who is to blame, with which error
  boesfsc diff old.conf new.conf --format json | jq '.changes[].parts[].witness'")]
pub(super) struct DiffArgs {
    #[command(flatten)]
    pair: Pair,
    /// Compare also what an event would say: the deciding rule, its error, its level.
    #[arg(long)]
    attribution: bool,
    /// Exit with 0 also where they differ.
    #[arg(long)]
    exit_zero: bool,
    /// How many changes to show; all are counted.
    #[arg(long, value_name = "N", default_value_t = Limits::default().findings)]
    max_changes: usize,
    #[command(flatten)]
    limits: ComparingLimits,
    #[command(flatten)]
    reading: Reading,
}

impl DiffArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let (old, new) = match self.pair.load(&self.reading, screen)? {
            Ok(pair) => pair,
            Err(exit) => return Ok(exit),
        };
        let (Some(old), Some(new)) = (old.side(), new.side()) else { return Ok(Exit::Refused) };
        let limits = self.limits.limits(&self.reading, self.max_changes);
        let comparison = compare(&old, &new, self.attribution, limits)?;
        match screen.format {
            Format::Human => screen.out.write_all(comparison.human().as_bytes())?,
            Format::Json => screen.json(&comparison.json())?,
        }
        Ok(if comparison.is_equal() || self.exit_zero { Exit::Fine } else { Exit::Refused })
    }
}
