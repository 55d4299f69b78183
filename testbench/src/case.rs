//! A case: a folder with a policy, requests and the decisions they must get.
//!
//! `case.ron` is read by people first. Its `policy` is a file beside it, or one of `policies/examples`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use boesfs_abi::op::Op;
use boesfs_abi::request::{Kind, Request};
use boesfs_abi::verdict::Verdict;
use serde::Deserialize;

use crate::policy::PolicySource;
use crate::question::{Judged, Question};

/// Files of cases and example policies, as compiled in, so that the program is enough by itself in a virtual machine.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// A policy and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// `topic/case`, or the conformance file and the case's name in it.
    pub name: String,
    /// The policy.
    pub source: PolicySource,
    /// What must come of it.
    pub expected: Expected,
}

/// What must come of a policy.
#[derive(Clone, Debug)]
pub enum Expected {
    /// It is refused with a diagnostic; with this code if one is given.
    Refused {
        /// The diagnostic's code.
        code: Option<String>,
    },
    /// It is accepted, and decides so.
    Decides(Vec<Asked>),
    /// It is accepted or refused with a diagnostic, as long as it is answered.
    AnyAnswer,
}

/// A question and the answer it must get.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The question; or why the request is not one, which is a failure.
    pub question: Result<Question, String>,
    /// What it must get.
    pub verdict: Verdict,
    /// The rule that must decide.
    pub because: Option<Cause>,
    /// The operation and object that must stop the call.
    pub stopped_by: Option<(Op, Vec<u8>)>,
}

/// What must decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The rule with this id, or on this line.
    Rule(String),
    /// The policy's default.
    Default,
}

/// Why a case cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// A file is missing or unreadable.
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// `case.ron` is not a case.
    #[error("case `{0}`: {1}")]
    Malformed(String, String),
}

#[derive(Deserialize)]
#[serde(rename = "Case", deny_unknown_fields)]
struct CaseFile {
    summary: String,
    policy: String,
    model: Option<String>,
    #[serde(default)]
    allow: Vec<String>,
    refused: Option<String>,
    #[serde(default)]
    requests: Vec<RequestLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLine {
    sub: String,
    act: String,
    obj: String,
    args: Option<Vec<String>>,
    uid: Option<u32>,
    gid: Option<u32>,
    kind: Option<String>,
    dom: Option<String>,
    expect: Word,
    because: Option<String>,
    effective: Option<EffectiveLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EffectiveLine {
    #[serde(default = "root")]
    dir: String,
    expect: Word,
    stopped_by: Option<(String, String)>,
}

fn root() -> String {
    "/".into()
}

#[derive(Clone, Copy, Deserialize)]
enum Word {
    Allow,
    Deny,
}

impl From<Word> for Verdict {
    fn from(word: Word) -> Self {
        match word {
            Word::Allow => Self::Allow,
            Word::Deny => Self::Deny,
        }
    }
}

/// The cases this program was built with.
///
/// # Errors
/// The first case that is malformed.
pub fn embedded() -> Result<Vec<Case>, CaseError> {
    let files: BTreeMap<&str, &[u8]> = embedded::CASES.iter().copied().collect();
    let names = files.keys().filter_map(|path| path.strip_suffix("/case.ron"));
    names
        .map(|name| {
            parse(name, files[format!("{name}/case.ron").as_str()], |file| {
                files.get(format!("{name}/{file}").as_str()).map(|bytes| bytes.to_vec())
            })
        })
        .collect()
}

/// The cases below `folder`, in the order of their names.
///
/// # Errors
/// The first case that is malformed or cannot be read.
pub fn below(folder: &Path) -> Result<Vec<Case>, CaseError> {
    let mut cases = Vec::new();
    for topic in folders(folder)? {
        for case in folders(&topic)? {
            let file = case.join("case.ron");
            let text = fs::read(&file).map_err(|error| CaseError::Unreadable(file, error))?;
            let name = case.strip_prefix(folder).unwrap_or(&case).display().to_string();
            cases.push(parse(&name, &text, |file| fs::read(case.join(file)).ok())?);
        }
    }
    Ok(cases)
}

fn folders(of: &Path) -> Result<Vec<PathBuf>, CaseError> {
    let failed = |error| CaseError::Unreadable(of.to_owned(), error);
    let mut found = Vec::new();
    for entry in fs::read_dir(of).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The text of an example policy.
#[must_use]
pub fn example(name: &str) -> Option<&'static [u8]> {
    embedded::EXAMPLES.iter().find(|(file, _)| *file == name).map(|(_, bytes)| *bytes)
}

/// The names of all example policies.
pub fn examples() -> impl Iterator<Item = &'static str> {
    embedded::EXAMPLES.iter().map(|(name, _)| *name)
}

fn parse(name: &str, text: &[u8], beside: impl Fn(&str) -> Option<Vec<u8>>) -> Result<Case, CaseError> {
    let malformed = |reason: String| CaseError::Malformed(name.to_owned(), reason);
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    let file: CaseFile = options.from_bytes(text).map_err(|error| malformed(error.to_string()))?;
    if file.summary.trim().is_empty() {
        return Err(malformed("the summary is empty".into()));
    }
    let read = |wanted: &str| {
        let bytes = match wanted.strip_prefix("examples/") {
            Some(example_name) => example(example_name).map(<[u8]>::to_vec),
            None => beside(wanted),
        };
        bytes.ok_or_else(|| malformed(format!("there is no `{wanted}`")))
    };
    let source = PolicySource {
        name: name.to_owned(),
        policy: read(&file.policy)?,
        model: file.model.as_deref().map(read).transpose()?,
        allow: file.allow,
    };
    let expected = match (file.refused, file.requests) {
        (Some(code), requests) if requests.is_empty() => Expected::Refused { code: Some(code) },
        (Some(_), _) => return Err(malformed("a refused policy decides no requests".into())),
        (None, requests) if requests.is_empty() => return Err(malformed("there are no requests".into())),
        (None, requests) => {
            let mut asked = Vec::new();
            for line in requests {
                asked.extend(line.asked().map_err(malformed)?);
            }
            Expected::Decides(asked)
        }
    };
    Ok(Case { name: name.to_owned(), source, expected })
}

impl RequestLine {
    /// The question for the decision and, where it is wanted, the one for the call.
    fn asked(self) -> Result<Vec<Asked>, String> {
        let act = self.act;
        let args = self.args.unwrap_or_default();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut request = request(&self.sub, &self.obj, &act, &args)?;
        request.uid = self.uid;
        request.gid = self.gid;
        request.kind = match self.kind {
            None => None,
            Some(word) => Some(Kind::from_name(&word).ok_or_else(|| format!("unknown kind `{word}`"))?),
        };
        if let Some(dom) = self.dom {
            request = request.in_domain(dom.as_bytes());
        }
        let because = self.because.map(|id| if id == "default" { Cause::Default } else { Cause::Rule(id) });
        let mut asked = vec![Asked {
            question: Ok(Question::decision(request.clone())),
            verdict: self.expect.into(),
            because,
            stopped_by: None,
        }];
        if let Some(effective) = self.effective {
            let stopped_by = match effective.stopped_by {
                None => None,
                Some((op, path)) => {
                    Some((Op::from_name(&op).ok_or(format!("unknown operation `{op}`"))?, path.into_bytes()))
                }
            };
            asked.push(Asked {
                question: Ok(Question {
                    request,
                    judged: Judged::Effective { dir: effective.dir.into_bytes() },
                }),
                verdict: effective.expect.into(),
                because: None,
                stopped_by,
            });
        }
        Ok(asked)
    }
}

/// The request that these texts say.
///
/// # Errors
/// Why they say none.
pub fn request(sub: &str, obj: &str, act: &str, args: &[&str]) -> Result<Request, String> {
    let op = Op::from_name(act).ok_or_else(|| format!("unknown operation `{act}`"))?;
    Request::new(sub.as_bytes(), obj.as_bytes(), op)
        .and_then(|request| request.with_text_args(args))
        .map_err(|error| error.to_string())
}
