//! `boesfsc inspect`.

use std::io::Write as _;
use std::path::PathBuf;

use boesfs_abi::image::ValidImage;
use boesfs_abi::request::is_canonical;
use boesfs_compiler::image::{Checked, Place, Summary, check, dump};
use boesfs_compiler::pipeline::{Outcome, Stage};
use boesfs_grammar::{self as grammar, SyntaxTree};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::given::{Reading, Subject};
use super::{CommandError, Exit, Format, Screen};

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boesfsc inspect policy.bin
  boesfsc inspect policy.bin --at /srv/app/.env
  boesfsc inspect policy.bin --check
  boesfsc inspect policy.bin --stage image
  boesfsc inspect policy.conf --stage rules
  boesfsc inspect policy.conf --stage dfa --format json")]
pub(super) struct InspectArgs {
    /// The policy, or an image.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// Which stage; without it a summary of the image.
    #[arg(long, value_enum)]
    stage: Option<StageArg>,
    /// Say what decides at PATH and below: for each subject the rules that meet there, operation by operation.
    #[arg(long, value_name = "PATH", conflicts_with = "stage", value_parser = canonical)]
    at: Option<Canonical>,
    /// Verify an image without its source: all that can be proved from its own bytes, beyond what has to hold before it is
    /// used at all. Exit status 1 if something is wrong.
    #[arg(long, conflicts_with_all = ["stage", "at"])]
    check: bool,
    #[command(flatten)]
    reading: Reading,
}

/// Which stage to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StageArg {
    /// The text as it was understood, with the place of every part.
    Tree,
    /// Names bound and fields typed.
    Model,
    /// Rules as terms.
    Rules,
    /// The automaton.
    Dfa,
    /// The tables of the image.
    Image,
}

impl StageArg {
    fn stage(self) -> Stage {
        match self {
            Self::Tree => Stage::Tree,
            Self::Model => Stage::Model,
            Self::Rules => Stage::Rules,
            Self::Dfa => Stage::Dfa,
            Self::Image => Stage::Image,
        }
    }
}

impl InspectArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let until = self.stage.map_or(Stage::LAST, StageArg::stage);
        match self.reading.subject(&self.policy, until)? {
            Subject::Image(image) => match self.stage {
                None if self.check => self.checked(&image, screen),
                None => match &self.at {
                    Some(path) => place(&Place::at(&image, &path.0), screen),
                    None => summary(&image, screen),
                },
                Some(StageArg::Image) => text(&dump(&image), StageArg::Image, screen),
                Some(_) => Err(CommandError::Usage(
                    "an image holds no text: only `--stage image` can be printed of it".to_owned(),
                )),
            },
            Subject::Text(_) if self.check => {
                Err(CommandError::Usage("`--check` is of an image; `check` is of a policy".to_owned()))
            }
            Subject::Text(outcome) => {
                let exit = self.reading.report(&outcome, screen)?;
                if exit != Exit::Fine && self.stage != Some(StageArg::Tree) {
                    if screen.format == Format::Json {
                        screen.json(&json!({"version": 1, "diagnostics": Reading::json(&outcome)}))?;
                    }
                    return Ok(exit);
                }
                match (self.stage, &outcome.packed) {
                    (Some(stage), _) => {
                        text(&printed(&outcome, stage), stage, screen)?;
                    }
                    (None, Some(packed)) => {
                        match &self.at {
                            Some(path) => {
                                let rules = outcome.dfa.as_ref().zip(outcome.rules.as_ref());
                                let rules = rules.map(|(dfa, rules)| dfa.rules_at(rules, &path.0));
                                let at = Place::at(&packed.image, &path.0);
                                place(&at.with_rules(&rules.unwrap_or_default()), screen)?
                            }
                            None => summary(&packed.image, screen)?,
                        };
                    }
                    (None, None) => {}
                }
                Ok(exit)
            }
        }
    }
}

impl InspectArgs {
    fn checked(&self, image: &ValidImage, screen: &mut Screen) -> Result<Exit, CommandError> {
        let checked = check(image);
        let fine = checked.iter().all(|line| line.found.is_ok());
        match screen.format {
            Format::Human => {
                writeln!(screen.out, "policy      {}", image.id_hex())?;
                for line in &checked {
                    write!(screen.out, "{line}")?;
                }
            }
            Format::Json => screen.json(&json!({
                "version": 1,
                "id": image.id_hex(),
                "ok": fine,
                "checks": checked.iter().map(Checked::json).collect::<Vec<_>>(),
            }))?,
        }
        Ok(if fine { Exit::Fine } else { Exit::Refused })
    }
}

/// A path that `--at` takes.
#[derive(Clone, Debug)]
struct Canonical(Vec<u8>);

/// A path that is what a kernel would call it.
fn canonical(text: &str) -> Result<Canonical, String> {
    if is_canonical(text.as_bytes()) {
        return Ok(Canonical(text.as_bytes().to_vec()));
    }
    Err("not an absolute path without `.`, `..`, `//` and a `/` at its end".to_owned())
}

fn place(place: &Place<'_>, screen: &mut Screen) -> Result<Exit, CommandError> {
    match screen.format {
        Format::Human => write!(screen.out, "{place}")?,
        Format::Json => versioned(place.json(), screen)?,
    }
    Ok(Exit::Fine)
}

/// Prints an object with its version.
fn versioned(mut value: Value, screen: &mut Screen) -> Result<(), CommandError> {
    if let Some(object) = value.as_object_mut() {
        object.insert("version".to_owned(), 1.into());
    }
    Ok(screen.json(&value)?)
}

fn summary(image: &ValidImage, screen: &mut Screen) -> Result<Exit, CommandError> {
    let summary = Summary::of(image);
    match screen.format {
        Format::Human => write!(screen.out, "{summary}")?,
        Format::Json => versioned(summary.json(), screen)?,
    }
    Ok(Exit::Fine)
}

fn text(text: &str, stage: StageArg, screen: &mut Screen) -> Result<Exit, CommandError> {
    match screen.format {
        Format::Human => screen.out.write_all(text.as_bytes())?,
        Format::Json => screen.json(&json!({
            "version": 1,
            "stage": stage.to_possible_value().map(|value| value.get_name().to_owned()),
            "text": text,
        }))?,
    }
    Ok(Exit::Fine)
}

/// The stage as text; empty if the policy did not come so far.
fn printed(outcome: &Outcome, stage: StageArg) -> String {
    match stage {
        StageArg::Tree => tree(&outcome.tree),
        StageArg::Model => outcome.model.as_ref().map(|model| format!("{model:#?}\n")).unwrap_or_default(),
        StageArg::Rules => outcome.rules.as_ref().map(|rules| format!("{rules:#?}\n")).unwrap_or_default(),
        StageArg::Dfa => outcome.dfa.as_ref().map(|dfa| dfa.dump()).unwrap_or_default(),
        StageArg::Image => outcome.packed.as_ref().map(|packed| dump(&packed.image)).unwrap_or_default(),
    }
}

fn tree(tree: &SyntaxTree) -> String {
    let mut lines = Vec::new();
    for section in &tree.sections {
        let name = section.kind.map_or("unknown", boesfs_grammar::SectionKind::name);
        lines.push((section.span, format!("section {name}")));
    }
    for definition in &tree.definitions {
        let value = match &definition.value {
            Some(grammar::Value::Matcher(matcher)) => format!("{matcher:#?}"),
            Some(value) => format!("{value:?}"),
            None => "malformed".to_owned(),
        };
        lines.push((definition.span, format!("{} = {value}", definition.key.text)));
    }
    for line in &tree.lines {
        let cells: Vec<String> = tree
            .cells(line)
            .iter()
            .map(|cell| format!("{:?}", String::from_utf8_lossy(&tree.text(*cell))))
            .collect();
        let said: Vec<String> = tree
            .annotations(line)
            .iter()
            .map(|said| format!(" @{}={:?}", said.key.text, said.value.text))
            .collect();
        lines.push((line.span, format!("line {}: {}{}", line.line, cells.join(", "), said.concat())));
    }
    lines.sort_by_key(|(span, _)| (span.file, span.start));
    let mut text = String::new();
    for (span, line) in lines {
        let name = tree.sources.get(usize::from(span.file)).map_or("", |source| source.name.as_str());
        text.push_str(&format!("{name}:{}..{}: {line}\n", span.start, span.end));
    }
    text
}
