//! `boesfsc eval`.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use boesfs_abi::request::is_canonical;
use boesfs_abi::verdict::Verdict;
use boesfs_compiler::ask::{EngineKind, Panel, Question, Which, list_values};
use boesfs_compiler::pipeline::Stage;
use clap::{Args, ValueEnum};

use super::given::{Reading, Subject};
use super::{CommandError, Exit, Format, Screen, requests};

/// Arguments of `eval`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --requests, FILE (`-` is standard input) holds one JSON object a line:
  {\"sub\":\"/bin/bash\",\"obj\":\"/srv/f\",\"act\":\"read\",\"args\":[\"100\",\"0\"],\"expect\":\"deny\"}
and one answer a line comes out, in order:
  {\"decision\":\"deny\",\"effective\":\"deny\",\"rule\":{\"id\":\"3\",\"file\":\"policy.txt\",\"line\":3},\"stopped_by\":null}
args, uid, gid, kind, dom and expect may be left out.")]
pub(super) struct EvalArgs {
    /// The policy, or an image.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// The program that asks.
    #[arg(long, value_name = "PROGRAM", required_unless_present = "requests", conflicts_with = "requests")]
    sub: Option<OsString>,
    /// The object's path.
    #[arg(long, value_name = "PATH", required_unless_present = "requests", conflicts_with = "requests")]
    obj: Option<OsString>,
    /// The operation.
    #[arg(long, value_name = "OP", required_unless_present = "requests", conflicts_with = "requests")]
    act: Option<String>,
    /// Its arguments, as `(100,0)`: `-` is one the call does not carry, `?` or a missing one is unknown.
    #[arg(long, value_name = "TUPLE", conflicts_with = "requests", allow_hyphen_values = true)]
    args: Option<String>,
    /// File system uid of the caller.
    #[arg(long, value_name = "N", conflicts_with = "requests")]
    uid: Option<u32>,
    /// File system gid of the caller.
    #[arg(long, value_name = "N", conflicts_with = "requests")]
    gid: Option<u32>,
    /// Kind of the object: file, dir, symlink, fifo, socket, block or char.
    #[arg(long, value_name = "WORD", conflicts_with = "requests")]
    kind: Option<String>,
    /// The sandbox's name.
    #[arg(long, value_name = "NAME", conflicts_with = "requests")]
    dom: Option<OsString>,
    /// JSON lines to answer, instead of one request.
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
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
        let single = self.question()?;
        match self.reading.subject(&self.policy, Stage::LAST)? {
            Subject::Image(image) => {
                if self.engine != EngineArg::Image {
                    return Err(CommandError::Usage("an image is asked by `--engine image` only".to_owned()));
                }
                self.answer(&Panel::of_image(&image, dir), single.as_ref(), screen)
            }
            Subject::Text(outcome) => {
                let exit = self.reading.report(&outcome, screen)?;
                match Panel::of_text(&outcome, self.engine.into(), dir) {
                    Some(panel) if exit == Exit::Fine => self.answer(&panel, single.as_ref(), screen),
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

    /// The single request, unless requests come from a file; one that makes no sense is wrong usage.
    fn question(&self) -> Result<Option<Question>, CommandError> {
        let (Some(sub), Some(obj), Some(act)) = (&self.sub, &self.obj, &self.act) else { return Ok(None) };
        let question = Question {
            sub: sub.as_bytes().to_vec(),
            obj: obj.as_bytes().to_vec(),
            act: act.clone(),
            args: self.args.as_deref().map(list_values).unwrap_or_default(),
            uid: self.uid,
            gid: self.gid,
            kind: self.kind.clone(),
            dom: self.dom.clone().map(OsString::into_vec),
        };
        question.request().map_err(|error| CommandError::Usage(error.to_string()))?;
        Ok(Some(question))
    }

    fn answer(
        &self,
        panel: &Panel<'_>,
        single: Option<&Question>,
        screen: &mut Screen,
    ) -> Result<Exit, CommandError> {
        let which = if self.effective { Which::Effective } else { Which::Decision };
        if let Some(file) = &self.requests {
            return requests::answer_all(panel, file, which, screen);
        }
        let Some(question) = single else {
            return Err(CommandError::Usage("give `--sub`, `--obj` and `--act`, or `--requests`".to_owned()));
        };
        let request = question.request().map_err(|error| CommandError::Usage(error.to_string()))?;
        let answer = panel.ask(&request);
        match screen.format {
            Format::Human => {
                screen.out.write_all(answer.human().as_bytes())?;
                for miss in panel.near_misses(&request, &answer) {
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
