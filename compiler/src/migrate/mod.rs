//! Policies in other forms to the explicit one: one file, Casbin's layout with an `eft` column, nothing implied.
//!
//! The text is rewritten in place, so that comments stay where they stood. What comes out is compiled and compared with
//! what went in, by their automata: a text that decides any request otherwise never leaves this room.

mod boesfs;
mod casbin;
mod edits;
mod words;

use boesfs_abi::image::ValidImage;
use boesfs_grammar::{SectionKind, Source, SyntaxError, format};

use crate::compare::{self, CompareError, Side, compare};
use crate::model::{Model, Settings, Shape};
use crate::pipeline::{Limits, Outcome, Stage, run};

use edits::Edits;

/// What mere words of a plain Casbin policy are to stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renaming {
    /// The directory in which objects that are no paths become names.
    pub objects: Option<String>,
    /// Actions that are no operations, with the operations each stands for.
    pub actions: Vec<(String, String)>,
}

/// A policy in the explicit form.
#[derive(Clone, Debug)]
pub struct Migrated {
    /// Its text, in canonical form.
    pub text: Vec<u8>,
    /// What its author should know.
    pub notes: Vec<String>,
    /// Pairs of automaton states at which both were compared; 0 if the images are the same.
    pub places: usize,
}

/// Why there is no other form of a policy.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// It has errors, which are its diagnostics.
    #[error("the policy has errors")]
    Unsound(Box<Outcome>),
    /// It says what the explicit form cannot.
    #[error("{0}")]
    Refused(String),
    /// The explicit form was made, and it does not compile or decides something otherwise.
    #[error("no explicit form was found that decides the same: {0}")]
    Different(String),
    /// The two could not be compared within the limits.
    #[error("the two forms cannot be compared: {0}")]
    Limit(#[from] CompareError),
}

/// The explicit form of the policy in `sources` (a policy, or a policy and its model).
///
/// # Errors
/// [`MigrateError`]; there is no text then.
pub fn migrate(
    sources: Vec<Source>,
    settings: &Settings,
    limits: &Limits,
    renaming: &Renaming,
) -> Result<Migrated, MigrateError> {
    let sources = words::renamed(sources, settings, limits, renaming)?;
    let written = run(sources.clone(), settings, limits, Stage::LAST);
    if !written.is_sound() {
        return Err(MigrateError::Unsound(Box::new(written)));
    }
    let pretty = sources
        .iter()
        .map(|source| Ok(Source::new(source.name.clone(), canonical(source, settings)?)))
        .collect::<Result<Vec<_>, MigrateError>>()?;
    let old = run(pretty, settings, limits, Stage::LAST);
    let (Some(model), Some(packed)) = (&old.model, &old.packed) else {
        return Err(MigrateError::Unsound(Box::new(old)));
    };
    let mut edits = Edits::default();
    let mut notes = Vec::new();
    match model.shape {
        Shape::Boesfs => boesfs::rewrite(&old.tree, model, &mut edits, &mut notes)?,
        Shape::Casbin => casbin::rewrite(&old.tree, &mut edits),
    }
    casbin::options(&old.tree, model, settings, &mut edits);
    let text = one_file(&old, &edits);
    let text = canonical(&Source::new("the migrated policy", text), settings)
        .map_err(|error| MigrateError::Different(error.to_string()))?;
    // Everything said on the command line stands in the text now.
    let plain = Settings { allow: settings.allow.clone(), limits: settings.limits, ..Settings::default() };
    let new = run(vec![Source::new("the migrated policy", text.clone())], &plain, limits, Stage::LAST);
    let Some(image) = new.packed.as_ref().map(|packed| &packed.image).filter(|_| new.is_sound()) else {
        return Err(MigrateError::Different(first_error(&new)));
    };
    let places = proved(&packed.image, image, model, limits)?;
    Ok(Migrated { text, notes, places })
}

fn canonical(source: &Source, settings: &Settings) -> Result<Vec<u8>, MigrateError> {
    format(source, &settings.limits).map_err(|errors| {
        let first = errors.into_iter().next();
        MigrateError::Refused(first.map_or_else(String::new, |error: SyntaxError| error.message))
    })
}

fn first_error(outcome: &Outcome) -> String {
    let errors = outcome.diagnostics.iter().filter(|found| found.severity == crate::Severity::Error);
    errors
        .map(|error| {
            let span = error.span();
            let shown = String::from_utf8_lossy(outcome.tree.bytes(span));
            format!("{}: {} (`{shown}`)", error.code, error.message)
        })
        .next()
        .unwrap_or_else(|| "it has no image".to_owned())
}

/// The edited text with its sections in one file.
fn one_file(old: &Outcome, edits: &Edits) -> Vec<u8> {
    let policy = edits.applied(0, &old.tree.sources[0].bytes);
    let Some(model) = old.tree.sources.get(1) else { return policy };
    let mut text = edits.applied(1, &model.bytes);
    text.extend_from_slice(format!("\n[{}]\n", SectionKind::Rules.name()).as_bytes());
    text.extend_from_slice(&policy);
    text
}

/// Compares what the two decide; the number of places if nothing differs but the layout.
fn proved(old: &ValidImage, new: &ValidImage, model: &Model, limits: &Limits) -> Result<usize, MigrateError> {
    let side = |image| Side { image, files: vec!["policy".to_owned(), "model".to_owned()] };
    let limits = compare::Limits { boxes: limits.automaton.boxes, ..compare::Limits::default() };
    let comparison = compare(&side(old), &side(new), false, limits)?;
    let of_layout = |name: &str| name == "shape" && model.shape == Shape::Boesfs;
    if let Some(option) = comparison.options.iter().find(|option| !of_layout(option.name)) {
        return Err(MigrateError::Different(format!(
            "`{}` would be `{}` instead of `{}`",
            option.name, option.new, option.old
        )));
    }
    if let Some(part) = comparison.changes.iter().flat_map(|change| &change.parts).next() {
        let request = &part.witness;
        return Err(MigrateError::Different(format!(
            "`{}` on `{}` by `{}` would be {}",
            request.op(),
            request.obj().escape_ascii(),
            request.sub().escape_ascii(),
            if part.new.verdict == crate::Verdict::Allow { "allowed" } else { "denied" },
        )));
    }
    if comparison.change_count > 0 {
        return Err(MigrateError::Different("some request is decided otherwise".to_owned()));
    }
    Ok(comparison.places)
}
