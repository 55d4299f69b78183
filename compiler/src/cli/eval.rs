//! `boesfsc eval`.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use boesfs_abi::request::is_canonical;
use boesfs_abi::verdict::Verdict;
use boesfs_compiler::ask::{EngineKind, Panel, Question, Which};
use boesfs_compiler::model::Model;
use boesfs_compiler::pipeline::Stage;
use clap::{Args, ValueEnum};

use super::asked::Asked;
use super::given::{Reading, Subject};
use super::panels::Panels;
use super::{CommandError, Exit, Format, Screen, requests};

/// Arguments of `eval`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --requests, FILE (`-` is standard input) holds one JSON object a line:
  {\"sub\":\"/bin/bash\",\"obj\":\"/srv/f\",\"act\":\"read\",\"args\":[\"100\",\"0\"],\"expect\":\"deny\"}
and one answer a line comes out, in order:
  {\"decision\":\"deny\",\"effective\":\"deny\",\"rule\":{\"id\":\"3\",\"file\":\"policy.txt\",\"line\":3},\"stopped_by\":null}
args, uid, gid, kind, dom and expect may be left out. With \"escaped\":true a byte in its strings may be written \\xNN, and
every backslash is written twice, as in events.

Examples:
  boesfsc eval policy.conf --sub /bin/bash --obj /srv/f --act read
  boesfsc eval policy.bin --sub /bin/bash --obj /srv/f --act read --args '(100,0)' --effective
  boesfsc eval policy.conf --requests requests.jsonl")]
pub(super) struct EvalArgs {
    /// The policy, or an image.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    #[command(flatten)]
    asked: Asked,
    /// The protected directory: what lies outside is not judged by the effective decision.
    #[arg(long, value_name = "DIR", default_value = "/")]
    dir: OsString,
    /// Let exit status and expectations speak of the effective decision.
    #[arg(long)]
    effective: bool,
    /// What answers.
    #[arg(long, value_enum, default_value_t = EngineArg::Image)]
    engine: EngineArg,
    #[command(flatten)]
    reading: Reading,
}

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineArg {
    /// The evaluator that reads rules one by one.
    Reference,
    /// The automaton in memory.
    Dfa,
    /// The image, packed and read back.
    Image,
}

impl From<EngineArg> for EngineKind {
    fn from(engine: EngineArg) -> Self {
        match engine {
            EngineArg::Reference => Self::Reference,
            EngineArg::Dfa => Self::Dfa,
            EngineArg::Image => Self::Image,
        }
    }
}

impl EvalArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let dir = self.dir.as_bytes();
        if !is_canonical(dir) {
            return Err(CommandError::Usage(format!(
                "`--dir {}` is not an absolute, normal path",
                self.dir.to_string_lossy()
            )));
        }
        let single = self.asked.question();
        match self.reading.subject(&self.policy, Stage::LAST)? {
            Subject::Image(image) => {
                if self.engine != EngineArg::Image {
                    return Err(CommandError::Usage("an image is asked by `--engine image` only".to_owned()));
                }
                let mut panels = Panels::one(Panel::of_image(&image, dir));
                self.answer(&mut panels, single.as_ref(), screen)
            }
            Subject::Text(outcome) => {
                if let Some(question) = &single
                    && !outcome.model.as_ref().is_some_and(Model::takes_words)
                {
                    question.request().map_err(|error| CommandError::Usage(error.to_string()))?;
                }
                let exit = self.reading.report(&outcome, screen)?;
                match Panel::of_text(&outcome, self.engine.into(), dir) {
                    Some(panel) if exit == Exit::Fine => {
                        let again = |word: &str| self.reading.for_word(&outcome, word);
                        let mut panels = Panels::by_word(panel, &again, self.engine.into(), dir);
                        self.answer(&mut panels, single.as_ref(), screen)
                    }
                    _ => {
                        if screen.format == Format::Json {
                            screen.json(&serde_json::json!({
                                "version": 1,
                                "diagnostics": Reading::json(&outcome),
                            }))?;
                        }
                        Ok(exit)
                    }
                }
            }
        }
    }

    fn answer(
        &self,
        panels: &mut Panels<'_>,
        single: Option<&Question>,
        screen: &mut Screen,
    ) -> Result<Exit, CommandError> {
        let which = if self.effective { Which::Effective } else { Which::Decision };
        if let Some(file) = &self.asked.requests {
            return requests::answer_all(panels, file, which, screen);
        }
        let Some(question) = single else {
            return Err(CommandError::Usage("give `--sub`, `--obj` and `--act`, or `--requests`".to_owned()));
        };
        let (answer, misses) = panels
            .about(question, |panel, request| {
                let answer = panel.ask(&request);
                let misses = panel.near_misses(&request, &answer);
                (answer, misses)
            })
            .map_err(CommandError::Usage)?;
        match screen.format {
            Format::Human => {
                screen.out.write_all(answer.human().as_bytes())?;
                for miss in misses {
                    screen.out.write_all(miss.human().as_bytes())?;
                }
            }
            Format::Json => {
                let mut value = answer.json();
                if let Some(object) = value.as_object_mut() {
                    object.insert("version".to_owned(), 1.into());
                }
                screen.json(&value)?;
            }
        }
        Ok(match answer.verdict(which) {
            Verdict::Allow => Exit::Fine,
            Verdict::Deny => Exit::Denied,
        })
    }
}
