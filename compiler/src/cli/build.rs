//! `boesfsc build`.

use std::path::{Path, PathBuf};

use boesfs_abi::image::{Release, SecretKey, decode, sign, strip};
use boesfs_compiler::Severity;
use boesfs_compiler::image::{c_header, json_value, rust_module};
use boesfs_compiler::model::Model;
use boesfs_compiler::pipeline;
use boesfs_compiler::validate::{Effort, Report};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::cache::{Made, Slot};
use super::destination::{Destination, apart};
use super::given::{Given, Reading};
use super::sign::{ReleaseArgs, secret_key};
use super::{CommandError, Exit, Format, Screen};

/// Arguments of `build`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boesfsc build policy.conf -o policy.bin
  boesfsc build --model model.conf policy.csv -o policy.bin
  boesfsc build policy.conf -o policy.bin --validate-all
  boesfsc build policy.conf -o policy.h --emit header")]
pub(super) struct BuildArgs {
    /// The policy.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// Where the image goes; `-` is the standard output. A file appears whole or not at all, and none that is read is
    /// replaced.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// What to write: the image, or the policy as constants of a programming language.
    #[arg(long, value_name = "WHAT", default_value = "image")]
    emit: Emit,
    /// Leave out rule texts, ids and lines: nothing says then which rule decided, events neither.
    #[arg(long)]
    strip: bool,
    /// Ask image and rules every question there is before writing, however long it takes; else a large policy's
    /// questions are sampled.
    #[arg(long)]
    validate_all: bool,
    /// Sign the image by the secret key in FILE; with `--release` and `--revision`.
    #[arg(long, value_name = "FILE")]
    sign: Option<PathBuf>,
    /// Build also what was built before of the same text with the same options.
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    release: ReleaseArgs,
    #[command(flatten)]
    reading: Reading,
}

/// What `build` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Emit {
    /// The image, for `boesfs run`.
    Image,
    /// A C header to use with the decision headers; its identifiers begin with the output file's name.
    Header,
    /// A Rust module with the image as a constant.
    Rust,
    /// JSON with the image in Base64; with a `"version"`.
    Json,
}

impl Emit {
    /// What goes to `output` for the image in `file`.
    fn bytes(self, file: Vec<u8>, output: &Path) -> Result<Vec<u8>, CommandError> {
        let decoded = || decode(&file).map_err(|error| CommandError::World(error.to_string()));
        Ok(match self {
            Self::Image => file,
            Self::Header => c_header(&decoded()?, &identifier(output)).into_bytes(),
            Self::Rust => rust_module(&file, &decoded()?).into_bytes(),
            Self::Json => format!("{:#}\n", json_value(&file, &decoded()?)).into_bytes(),
        })
    }
}

/// The name of the file at `path`, up to its first dot, as an identifier of C.
fn identifier(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.split('.').next().unwrap_or_default();
    let mut out: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if !out.starts_with(|first: char| first.is_ascii_alphabetic()) {
        out.insert_str(0, "policy_");
    }
    out
}

impl BuildArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        // A key that is not there is said before a long build, not after.
        let signer = match &self.sign {
            Some(key) => Some((secret_key(key)?, self.release.release()?)),
            None if self.release.is_given() => {
                return Err(CommandError::Usage("`--release` and `--revision` go with `--sign`".to_owned()));
            }
            None => None,
        };
        let given = self.reading.given(&self.policy)?;
        let sources = given.sources.iter().map(|source| Path::new(&source.name));
        apart(&self.output, sources.chain(self.sign.as_deref()))?;
        let destination = Destination::of(&self.output);
        let slot = self.slot(&given, destination);
        if let Some(made) = slot.as_ref().and_then(|slot| slot.made(&self.output))
            && (made.silent || screen.format == Format::Human)
        {
            let report = Report { questions: made.questions, complete: made.complete, ..Report::default() };
            let built = Built { id: made.id, bytes: made.bytes, unchanged: true };
            self.say(destination, screen, Some(&built), Some(&report), json!([]))?;
            return Ok(Exit::Fine);
        }
        let effort = if self.validate_all { Effort::ALL } else { Effort::default() };
        let (mut outcome, validated) =
            pipeline::build(given.sources, &given.settings, &self.reading.limits(), effort);
        let words = outcome.model.as_ref().map(Model::words).unwrap_or_default();
        outcome.diagnostics.extend(words);
        let exit = self.reading.report(&outcome, screen)?;
        let mut built = None;
        if exit == Exit::Fine
            && let Some(packed) = outcome.packed.take()
        {
            let id = packed.image.id_hex();
            drop(packed.image);
            let file = self.written(packed.file, signer.as_ref())?;
            let unchanged = destination.holds(&file);
            if !unchanged {
                destination.write(&file, screen)?;
            }
            // What warns is to warn again.
            let warns = outcome.diagnostics.iter().any(|found| found.severity >= Severity::Warning);
            if let (Some(slot), Some(report), false) = (&slot, &validated, warns) {
                let silent = outcome.diagnostics.is_empty();
                slot.keep(
                    &file,
                    Made::new(id.clone(), file.len(), report.questions, report.complete, silent),
                );
            }
            built = Some(Built { id, bytes: file.len(), unchanged });
        }
        let diagnostics = match screen.format {
            Format::Human => json!([]),
            Format::Json => Reading::json(&outcome),
        };
        self.say(destination, screen, built.as_ref(), validated.as_ref(), diagnostics)?;
        // The process ends: that its memory is given back piece by piece helps nobody.
        std::mem::forget(outcome);
        Ok(exit)
    }

    /// Where it is kept what was built of `given`; `None` if it is to be built whatever was built before.
    fn slot(&self, given: &Given, destination: Destination<'_>) -> Option<Slot> {
        let is_file = matches!(destination, Destination::File(_));
        if self.no_cache || self.validate_all || self.sign.is_some() || !is_file {
            return None;
        }
        let name = (self.emit == Emit::Header).then(|| identifier(&self.output));
        Slot::of(&given.sources, &(&given.settings, self.reading.limits(), self.emit, self.strip, name))
    }

    /// What goes to the output for the image in `file`.
    fn written(&self, file: Vec<u8>, signer: Option<&(SecretKey, Release)>) -> Result<Vec<u8>, CommandError> {
        let failed = |error: boesfs_abi::image::ImageError| CommandError::World(error.to_string());
        let file = if self.strip { strip(&file).map_err(failed)? } else { file };
        let file = match signer {
            Some((key, release)) => sign(&file, key, release).map_err(failed)?,
            None => file,
        };
        self.emit.bytes(file, &self.output)
    }

    fn say(
        &self,
        destination: Destination<'_>,
        screen: &mut Screen,
        built: Option<&Built>,
        validated: Option<&Report>,
        diagnostics: serde_json::Value,
    ) -> Result<(), CommandError> {
        let output = self.output.display();
        match (screen.format, built) {
            (Format::Human, Some(Built { id, bytes, unchanged })) => {
                let unchanged = if *unchanged { "unchanged, " } else { "" };
                destination.say(&format!("{output}: {unchanged}{bytes} bytes, policy {id}"), screen)?;
                if validated.is_some_and(|report| !report.complete) {
                    let line =
                        "validated by a sample of requests; `--validate-all` asks every question there is";
                    destination.say(&line, screen)?;
                }
            }
            (Format::Human, None) => {}
            (Format::Json, built) => destination.say(
                &json!({
                    "version": 1,
                    "output": built.map(|_| output.to_string()),
                    "id": built.map(|built| &built.id),
                    "bytes": built.map(|built| built.bytes),
                    "unchanged": built.map(|built| built.unchanged),
                    "validated": validated.map(|report| json!({
                        "questions": report.questions,
                        "complete": report.complete,
                    })),
                    "diagnostics": diagnostics,
                }),
                screen,
            )?,
        }
        Ok(())
    }
}

/// What came of it.
struct Built {
    id: String,
    bytes: usize,
    /// Whether the output was the same before.
    unchanged: bool,
}
