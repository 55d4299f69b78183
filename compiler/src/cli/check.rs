//! `boesfsc check`.

use std::io::Write as _;
use std::path::PathBuf;

use boesfs_compiler::pipeline::Stage;
use clap::Args;
use serde_json::json;

use super::given::{Reading, Subject};
use super::{CommandError, Exit, Format, Screen};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Policies or images.
    #[arg(value_name = "POLICY", required = true)]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
}

impl CheckArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let mut worst = Exit::Fine;
        let mut shown = Vec::new();
        for policy in &self.policies {
            let name = policy.display().to_string();
            let subject = match self.reading.subject(policy, Stage::Dfa) {
                Ok(subject) => subject,
                // The other policies are checked all the same.
                Err(CommandError::World(error)) => {
                    let _ = writeln!(std::io::stderr(), "error: {error}");
                    worst = worst.max(Exit::World);
                    shown.push(json!({"policy": name, "ok": false, "error": error}));
                    continue;
                }
                Err(error) => return Err(error),
            };
            match subject {
                Subject::Text(outcome) => {
                    let exit = self.reading.report(&outcome, screen)?;
                    worst = worst.max(exit);
                    let rules = outcome.model.as_ref().map(|model| model.rules.len());
                    match screen.format {
                        Format::Human if exit == Exit::Fine => {
                            let rules = rules.unwrap_or_default();
                            let plural = if rules == 1 { "" } else { "s" };
                            writeln!(screen.out, "{name}: ok, {rules} rule{plural}")?;
                        }
                        Format::Human => {}
                        Format::Json => shown.push(json!({
                            "policy": name,
                            "ok": exit == Exit::Fine,
                            "rules": rules,
                            "diagnostics": Reading::json(&outcome),
                        })),
                    }
                }
                Subject::Image(image) => match screen.format {
                    Format::Human => writeln!(screen.out, "{name}: ok, image {}", image.id_hex())?,
                    Format::Json => {
                        shown.push(
                            json!({"policy": name, "ok": true, "id": image.id_hex(), "diagnostics": []}),
                        );
                    }
                },
            }
        }
        if screen.format == Format::Json {
            screen.json(&json!({"version": 1, "policies": shown}))?;
        }
        Ok(worst)
    }
}
