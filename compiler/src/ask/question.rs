//! A request as people write it: on a command line, in a line of JSON, in a test.

use boesfs_abi::op::{ArgType, GROUPS, OPS, Op, OpSet};
use boesfs_abi::request::{ArgValue, Kind, Request, RequestError, is_canonical};
use serde_json::{Value, json};

use crate::diagnostic::closest;
use crate::model::{Model, SubjectMode};
use crate::shown::shown;

/// A request as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The program.
    pub sub: Vec<u8>,
    /// The object's path.
    pub obj: Vec<u8>,
    /// The operation.
    pub act: String,
    /// Its arguments: `-` is one the call does not carry, `?` or a missing one is unknown.
    pub args: Vec<Vec<u8>>,
    /// File system uid of the caller.
    pub uid: Option<u32>,
    /// File system gid of the caller.
    pub gid: Option<u32>,
    /// Kind of the object.
    pub kind: Option<String>,
    /// The sandbox's name.
    pub dom: Option<Vec<u8>>,
}

/// Why a [`Question`] is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// `act` is no operation.
    #[error("unknown operation `{word}`{}", also(.help))]
    Operation {
        /// What was written.
        word: String,
        /// What was probably meant.
        help: Option<String>,
    },
    /// `kind` is no kind of object.
    #[error("unknown kind `{word}`{}", also(.help))]
    Kind {
        /// What was written.
        word: String,
        /// What was probably meant.
        help: Option<String>,
    },
    /// `sub` is nothing that a program is called.
    #[error("`{0}` is no program: {1}")]
    Subject(String, &'static str),
    /// The object is no path, or an argument does not fit.
    #[error(transparent)]
    Request(#[from] RequestError),
}

fn also(help: &Option<String>) -> String {
    help.as_ref().map(|help| format!(", {help}")).unwrap_or_default()
}

impl QuestionError {
    /// The field that is to blame.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::Operation { .. } => "act",
            Self::Kind { .. } => "kind",
            Self::Subject(..) => "sub",
            Self::Request(RequestError::Object(_)) => "obj",
            Self::Request(RequestError::Arity { .. } | RequestError::Value { .. }) => "args",
        }
    }
}

impl Question {
    /// The request it means.
    ///
    /// # Errors
    /// [`QuestionError`] if it is none.
    pub fn request(&self) -> Result<Request, QuestionError> {
        let op = operation(&self.act)?;
        self.with_rest(Request::new(&self.sub, &self.obj, op)?)
    }

    /// The request it means to `model`: under `compat` with any text as its object, and with the word the model was
    /// made for as its action.
    ///
    /// # Errors
    /// [`QuestionError`] if it is none.
    pub fn request_of(&self, model: &Model) -> Result<Request, QuestionError> {
        if !model.takes_words() {
            return self.request();
        }
        let op = model.op_named(&self.act).map_or_else(|| operation(&self.act), Ok)?;
        self.with_rest(Request::of_text(&self.sub, &self.obj, op))
    }

    /// That a program can be called as the subject is: by its path or base name, or, if `mode` says that the subject is
    /// the program a sandbox was started with, in any way that starts one.
    pub(super) fn check_subject(&self, mode: SubjectMode) -> Result<(), QuestionError> {
        let sub = self.sub.as_slice();
        let wrong = match mode {
            _ if sub.is_empty() => "it is empty",
            _ if sub.ends_with(b"/") => "it ends in `/`",
            SubjectMode::Exe if sub.contains(&b'/') && !is_canonical(sub) => {
                "give its absolute path without `.`, `..` and `//`, or its base name"
            }
            SubjectMode::Exe | SubjectMode::Entry => return Ok(()),
        };
        Err(QuestionError::Subject(shown(sub), wrong))
    }

    /// The action, if it is no operation: under `compat` a model is to be made for it.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        Op::from_name(&self.act).is_none().then_some(self.act.as_str())
    }

    fn with_rest(&self, request: Request) -> Result<Request, QuestionError> {
        let mut request = request.with_text_args(&self.args)?;
        if let Some(dom) = &self.dom {
            request = request.in_domain(dom);
        }
        request.uid = self.uid;
        request.gid = self.gid;
        request.kind = self.kind.as_deref().map(kind).transpose()?;
        Ok(request)
    }
}

fn operation(word: &str) -> Result<Op, QuestionError> {
    if let Some(op) = Op::from_name(word) {
        return Ok(op);
    }
    let known = || OPS.iter().map(|spec| spec.name);
    let help = if let Some(group) = group(word) {
        let names: Vec<&str> = group.iter().map(Op::name).collect();
        Some(format!("a request is about one operation; `{word}` stands for {}", names.join(", ")))
    } else if let Some(name) = closest(word, known()) {
        Some(format!("did you mean `{name}`?"))
    } else {
        Some(format!("the operations are {}", known().collect::<Vec<_>>().join(", ")))
    };
    Err(QuestionError::Operation { word: word.to_owned(), help })
}

/// The operations of a word that stands for several in policies.
fn group(word: &str) -> Option<OpSet> {
    if matches!(word, "*" | "any") {
        return Some(OpSet::ALL);
    }
    GROUPS.iter().find(|(name, _)| *name == word).map(|(_, ops)| *ops)
}

fn kind(word: &str) -> Result<Kind, QuestionError> {
    Kind::from_name(word).ok_or_else(|| {
        let known = Kind::ALL.map(Kind::name);
        let help = match closest(word, known) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the kinds are {}", known.join(", ")),
        };
        QuestionError::Kind { word: word.to_owned(), help: Some(help) }
    })
}

/// The values of a tuple as it is written, with or without its parentheses.
#[must_use]
pub fn list_values(text: &str) -> Vec<Vec<u8>> {
    let text = text.trim();
    let inner = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    if inner.trim().is_empty() {
        return Vec::new();
    }
    inner.split(',').map(|value| value.trim().as_bytes().to_vec()).collect()
}

/// The arguments of `request` as people write them, with `text` for what is bytes: `-` is one the call does not carry, `?` one
/// that is not known.
pub(crate) fn argument_words(request: &Request, text: impl Fn(&[u8]) -> String) -> Vec<String> {
    let words = request.args().iter().zip(request.op().spec().args).map(|(value, spec)| match value {
        ArgValue::Unknown => "?".to_owned(),
        ArgValue::Absent => "-".to_owned(),
        ArgValue::Number(number) if spec.ty == ArgType::Signed => number.cast_signed().to_string(),
        ArgValue::Number(number) => number.to_string(),
        ArgValue::Bytes(bytes) => text(bytes),
    });
    words.collect()
}

/// The same without those behind the last that is known, which are left out when a request is written.
pub(crate) fn known_argument_words(request: &Request, text: impl Fn(&[u8]) -> String) -> Vec<String> {
    let mut words = argument_words(request, text);
    while words.last().is_some_and(|word| word == "?") {
        words.pop();
    }
    words
}

/// `request` as a line of `eval --requests` says it. JSON has only text: if one of its strings is none, it says that all
/// of them are [`shown`].
#[must_use]
pub fn question_json(request: &Request) -> Value {
    let args = request.args().iter().filter_map(|value| match value {
        ArgValue::Bytes(bytes) => Some(bytes.as_slice()),
        ArgValue::Number(_) | ArgValue::Absent | ArgValue::Unknown => None,
    });
    let mut strings = [request.sub(), request.obj()].into_iter().chain(request.dom()).chain(args);
    let escaped = strings.any(|bytes| std::str::from_utf8(bytes).is_err());
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) if !escaped => text.to_owned(),
        Ok(_) | Err(_) => shown(bytes),
    };
    let args = known_argument_words(request, text);
    let mut value = json!({
        "sub": text(request.sub()),
        "obj": text(request.obj()),
        "act": request.op().name(),
    });
    if let Some(object) = value.as_object_mut() {
        let mut say = |key: &str, value: Value| object.insert(key.to_owned(), value);
        if !args.is_empty() {
            say("args", args.into());
        }
        for (name, number) in [("uid", request.uid), ("gid", request.gid)] {
            number.map(|number| say(name, number.into()));
        }
        request.kind.map(|kind| say("kind", kind.name().into()));
        request.dom().map(|dom| say("dom", text(dom).into()));
        if escaped {
            say("escaped", true.into());
        }
    }
    value
}
