//! Conformance files: lists of policies with the decisions they must give, or that must only be answered.

use std::path::{Path, PathBuf};

use boesfs_abi::request::Kind;
use boesfs_abi::verdict::Verdict;
use serde::Deserialize;

use crate::case::{Asked, Case, Expected, request};
use crate::policy::PolicySource;
use crate::question::Question;

/// Why a file is no conformance file.
#[derive(Debug, thiserror::Error)]
pub enum ConformanceError {
    /// It cannot be read.
    #[error("`{0}` cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It does not have the form.
    #[error("`{0}` is not a conformance file: {1}")]
    Malformed(PathBuf, serde_json::Error),
}

#[derive(Deserialize)]
struct Line {
    name: String,
    model: Option<String>,
    policy: String,
    answer: Option<String>,
    requests: Option<Vec<RequestLine>>,
}

#[derive(Deserialize)]
struct RequestLine {
    sub: String,
    obj: String,
    act: String,
    args: Option<Vec<String>>,
    dom: Option<String>,
    uid: Option<u32>,
    gid: Option<u32>,
    kind: Option<String>,
    expect: Word,
    decide: Option<Word>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Allow,
    Deny,
}

/// The cases in the file at `path`.
///
/// # Errors
/// If it cannot be read or does not have the form.
pub fn read(path: &Path) -> Result<Vec<Case>, ConformanceError> {
    let text = std::fs::read(path).map_err(|error| ConformanceError::Unreadable(path.to_owned(), error))?;
    let lines: Vec<Line> =
        serde_json::from_slice(&text).map_err(|error| ConformanceError::Malformed(path.to_owned(), error))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(lines.into_iter().map(|line| line.case(&stem)).collect())
}

impl Line {
    fn case(self, stem: &str) -> Case {
        let name = format!("{stem}/{}", self.name);
        let source = PolicySource {
            name: name.clone(),
            policy: self.policy.into_bytes(),
            model: self.model.map(String::into_bytes),
            allow: vec!["all".into()],
        };
        let expected = match (self.answer.as_deref(), self.requests) {
            (Some("refused"), _) => Expected::Refused { code: None },
            (_, Some(requests)) => Expected::Decides(requests.into_iter().map(RequestLine::asked).collect()),
            (_, None) => Expected::AnyAnswer,
        };
        Case { name, source, expected }
    }
}

impl RequestLine {
    fn asked(self) -> Asked {
        let verdict = match self.decide.unwrap_or(self.expect) {
            Word::Allow => Verdict::Allow,
            Word::Deny => Verdict::Deny,
        };
        Asked { question: self.question(), verdict, because: None, stopped_by: None }
    }

    fn question(self) -> Result<Question, String> {
        let args = self.args.unwrap_or_default();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut request = request(&self.sub, &self.obj, &self.act, &args)?;
        request.uid = self.uid;
        request.gid = self.gid;
        request.kind = match self.kind {
            None => None,
            Some(word) => Some(Kind::from_name(&word).ok_or_else(|| format!("unknown kind `{word}`"))?),
        };
        if let Some(dom) = self.dom {
            request = request.in_domain(dom.as_bytes());
        }
        Ok(Question::decision(request))
    }
}
