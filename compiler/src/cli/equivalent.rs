//! `boesfsc equivalent`.

use std::io::Write as _;

use boesfs_compiler::compare::compare;
use clap::Args;
use serde_json::json;

use super::compared::ComparingLimits;
use super::diff::Pair;
use super::given::Reading;
use super::{CommandError, Exit, Format, Screen};

/// Arguments of `equivalent`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 if every request gets the same decision (and the options are the same), 1 if not.

Examples:
  boesfsc equivalent policy.conf refactored.conf && echo nothing changed
  boesfsc equivalent policy.conf policy.bin              is this what was built?")]
pub(super) struct EquivalentArgs {
    #[command(flatten)]
    pair: Pair,
    /// Compare also what an event would say: the deciding rule, its error, its level.
    #[arg(long)]
    attribution: bool,
    #[command(flatten)]
    limits: ComparingLimits,
    #[command(flatten)]
    reading: Reading,
}

impl EquivalentArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let (old, new) = match self.pair.load(&self.reading, screen)? {
            Ok(pair) => pair,
            Err(exit) => return Ok(exit),
        };
        let (Some(old), Some(new)) = (old.side(), new.side()) else { return Ok(Exit::Refused) };
        let comparison = compare(&old, &new, self.attribution, self.limits.limits(&self.reading, 0))?;
        let equal = comparison.is_equal();
        match screen.format {
            Format::Human => {
                writeln!(screen.out, "{}", if equal { "equal" } else { "different, `diff` says where" })?;
            }
            Format::Json => screen.json(&json!({"version": 1, "equal": equal}))?,
        }
        Ok(if equal { Exit::Fine } else { Exit::Refused })
    }
}
