//! `boesfsc explain`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use boesfs_abi::request::is_canonical;
use boesfs_compiler::ask::{EngineKind, Panel, Question};
use boesfs_compiler::explain::{self, MOST_SHOWN};
use boesfs_compiler::model::Model;
use boesfs_compiler::pipeline::{Outcome, Stage};
use boesfs_compiler::reference::Reference;
use clap::Args;
use serde_json::json;

use super::asked::Asked;
use super::given::{Reading, Subject};
use super::panels::Panels;
use super::{CommandError, Exit, Format, Screen, requests};

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  boesfsc explain policy.conf --sub /bin/bash --obj /srv/f --act read
  boesfsc explain policy.conf --requests requests.jsonl      as `eval --requests` takes them")]
pub(super) struct ExplainArgs {
    /// The policy.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    #[command(flatten)]
    asked: Asked,
    /// The protected directory: what lies outside is not judged by the effective decision.
    #[arg(long, value_name = "DIR", default_value = "/")]
    dir: OsString,
    /// How many rules that nearly decide to show.
    #[arg(long, value_name = "N", default_value_t = MOST_SHOWN)]
    near: usize,
    #[command(flatten)]
    reading: Reading,
}

impl ExplainArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let dir = self.dir.as_bytes();
        if !is_canonical(dir) {
            let dir = self.dir.to_string_lossy();
            return Err(CommandError::Usage(format!("`--dir {dir}` is not an absolute, normal path")));
        }
        let single = self.asked.question();
        let Subject::Text(outcome) = self.reading.subject(&self.policy, Stage::LAST)? else {
            return Err(CommandError::Usage(format!(
                "`{}` is an image: only a policy's text can be explained, `eval` asks images too",
                self.policy.display()
            )));
        };
        if !outcome.is_sound() {
            let exit = self.reading.report(&outcome, screen)?;
            if screen.format == Format::Json {
                screen.json(&json!({"version": 1, "diagnostics": Reading::json(&outcome)}))?;
            }
            return Ok(exit);
        }
        let (Some(model), Some(panel)) = (&outcome.model, Panel::of_text(&outcome, EngineKind::Image, dir))
        else {
            return Ok(Exit::Refused);
        };
        let again = |word: &str| self.reading.for_word(&outcome, word);
        let panels = Panels::by_word(panel, &again, EngineKind::Image, dir);
        let reference = Reference::new(model);
        let mut explainer = Explainer { outcome: &outcome, model, reference, panels, most: self.near };
        match (&self.asked.requests, single) {
            (Some(file), _) => explainer.all(file, screen),
            (None, Some(question)) => {
                let text = explainer.text(&question, screen).map_err(CommandError::Usage)?;
                screen.out.write_all(text.as_bytes())?;
                Ok(Exit::Fine)
            }
            (None, None) => {
                Err(CommandError::Usage("give `--sub`, `--obj` and `--act`, or `--requests`".to_owned()))
            }
        }
    }
}

struct Explainer<'p> {
    outcome: &'p Outcome,
    model: &'p Model,
    reference: Reference<'p>,
    panels: Panels<'p>,
    most: usize,
}

impl Explainer<'_> {
    /// What there is to say about the request that `question` means; the error says why it means none.
    fn text(&mut self, question: &Question, screen: &Screen) -> Result<String, String> {
        let Self { outcome, model, reference, panels, most } = self;
        panels.about(question, |panel, request| {
            let effective = panel.ask(&request).effective;
            // A word that is no operation has a model of its own, made of the same text.
            let of_word = panel.model().filter(|own| !std::ptr::eq(*own, *model));
            let own_reference = of_word.map(Reference::new);
            let (model, reference) = (of_word.unwrap_or(model), own_reference.as_ref().unwrap_or(reference));
            let explanation = explain::explain(reference, model, &request);
            match screen.format {
                Format::Human => {
                    let colour = screen.colour;
                    explain::human(&explanation, &effective, outcome, model, &request, *most, colour)
                }
                Format::Json => {
                    let mut value = explain::json(&explanation, &effective, outcome, model, &request, *most);
                    if let Some(object) = value.as_object_mut() {
                        object.insert("version".to_owned(), 1.into());
                    }
                    format!("{value}\n")
                }
            }
        })
    }

    /// Explains every line of `file`; one that is no request is answered by an error.
    fn all(&mut self, file: &Path, screen: &mut Screen) -> Result<Exit, CommandError> {
        let failed =
            |error: io::Error| CommandError::World(format!("`{}` cannot be read: {error}", file.display()));
        let input: Box<dyn BufRead> = if file == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(BufReader::new(File::open(file).map_err(failed)?))
        };
        let mut exit = Exit::Fine;
        for (number, line) in input.split(b'\n').enumerate() {
            let line = line.map_err(failed)?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let read = requests::read_question(&line);
            match read.and_then(|(question, _)| self.text(&question, screen)) {
                Ok(text) => screen.out.write_all(text.as_bytes())?,
                Err(error) => {
                    exit = Exit::Refused;
                    match screen.format {
                        Format::Human => {
                            writeln!(screen.out, "{}:{}: {error}", file.display(), number + 1)?;
                        }
                        Format::Json => screen.json(&json!({"version": 1, "error": error}))?,
                    }
                }
            }
        }
        Ok(exit)
    }
}
