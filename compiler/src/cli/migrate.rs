//! `boesfsc migrate`.

use std::io::Write as _;
use std::path::PathBuf;

use boesfs_compiler::migrate::{MigrateError, Renaming, migrate};
use clap::Args;
use serde_json::json;

use super::given::{Reading, is_image, is_input};
use super::{CommandError, Exit, Format, Screen};

/// Arguments of `migrate`.
#[derive(Debug, Args)]
#[command(after_help = "\
The result is one file in Casbin's layout that says everything BoesFS's layout and Casbin's defaults imply. It is
printed or written only after its automaton has been compared with the original's and decides every request alike.
Comments are kept.

Exit status: 1 if the policy has errors, or cannot be said in the explicit form (and why).

Examples:
  boesfsc migrate --model model.txt policy.txt -o policy.conf
  boesfsc migrate boesfs.conf
  boesfsc migrate --model rbac_model.conf rbac.csv --map-objects /srv/data --map-act GET='@base @read'")]
pub(super) struct MigrateArgs {
    /// The policy.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// Where the result goes, instead of the standard output, which is also `-`. A file that is there already is replaced.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The directory in which objects that are mere words become names.
    #[arg(long, value_name = "DIR", value_parser = directory)]
    map_objects: Option<String>,
    /// The operations that an action stands for. May be repeated.
    #[arg(long = "map-act", value_name = "WORD=OPERATIONS", value_parser = mapping)]
    map_acts: Vec<(String, String)>,
    #[command(flatten)]
    reading: Reading,
}

fn directory(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("a path from `/` on is expected".to_owned()) }
}

fn mapping(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((word, ops)) if !word.is_empty() && !ops.trim().is_empty() => {
            Ok((word.to_owned(), ops.to_owned()))
        }
        _ => Err("`WORD=OPERATIONS` is expected, such as `GET=read`".to_owned()),
    }
}

impl MigrateArgs {
    pub(super) fn run(self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let config = self.reading.config(&self.policy)?;
        let sources = self.reading.sources(&self.policy, self.reading.model.as_deref(), &config)?;
        if is_image(&sources[0]) {
            let path = self.policy.display();
            return Err(CommandError::Usage(format!("`{path}` is an image: it has no text to rewrite")));
        }
        let renaming = Renaming { objects: self.map_objects, actions: self.map_acts };
        let migrated = migrate(sources, &self.reading.settings(&config), &self.reading.limits(), &renaming);
        let migrated = match migrated {
            Ok(migrated) => migrated,
            Err(error) => {
                let (exit, diagnostics) = match &error {
                    MigrateError::Unsound(outcome) => {
                        (self.reading.report(outcome, screen)?.max(Exit::Refused), Reading::json(outcome))
                    }
                    MigrateError::Limit(_) => (Exit::World, json!([])),
                    MigrateError::Refused(_) | MigrateError::Different(_) => (Exit::Refused, json!([])),
                };
                match screen.format {
                    Format::Human if matches!(error, MigrateError::Unsound(_)) => {}
                    Format::Human => writeln!(std::io::stderr(), "error: {error}")?,
                    Format::Json => screen.json(&json!({
                        "version": 1,
                        "error": error.to_string(),
                        "diagnostics": diagnostics,
                    }))?,
                }
                return Ok(exit);
            }
        };
        let output = self.output.filter(|path| !is_input(path));
        if let Some(path) = &output {
            boesfs_compiler::files::create(path, &migrated.text, true).map_err(|error| {
                CommandError::World(format!("`{}` cannot be written: {error}", path.display()))
            })?;
        }
        match screen.format {
            Format::Human => {
                for note in &migrated.notes {
                    writeln!(std::io::stderr(), "note: {note}")?;
                }
                if output.is_none() {
                    screen.out.write_all(&migrated.text)?;
                }
            }
            Format::Json => screen.json(&json!({
                "version": 1,
                "output": output.map(|path| path.display().to_string()),
                "text": String::from_utf8_lossy(&migrated.text),
                "notes": migrated.notes,
                "places": migrated.places,
            }))?,
        }
        Ok(Exit::Fine)
    }
}
