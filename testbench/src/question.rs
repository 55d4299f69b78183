//! What an engine is asked, and what it answers.

use boesfs_abi::op::Op;
use boesfs_abi::request::Request;
use boesfs_abi::verdict::Verdict;

/// A request, and whether it is about the operation alone or about a whole call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The request.
    pub request: Request,
    /// What of it is judged.
    pub judged: Judged,
}

/// What of a request is judged (LANGUAGE §5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Judged {
    /// The operation on the object, exactly as asked.
    Decision,
    /// The call: the operation and what it needs besides, below a protected directory.
    Effective {
        /// The protected directory.
        dir: Vec<u8>,
    },
}

impl Question {
    /// The question for the decision about `request`.
    #[must_use]
    pub fn decision(request: Request) -> Self {
        Self { request, judged: Judged::Decision }
    }

    /// The question in one line, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let request = &self.request;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut line = format!("{} {} {}", text(request.sub()), request.op(), text(request.obj()));
        if !request.args().is_empty() {
            let args: Vec<String> = request.args().iter().map(argument).collect();
            line.push_str(&format!(" ({})", args.join(", ")));
        }
        let fields = [
            ("dom", request.dom().map(text)),
            ("uid", request.uid.map(|uid| uid.to_string())),
            ("gid", request.gid.map(|gid| gid.to_string())),
            ("kind", request.kind.map(|kind| kind.name().to_owned())),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                line.push_str(&format!(" {name}={value}"));
            }
        }
        if let Judged::Effective { dir } = &self.judged {
            line.push_str(&format!(" effectively below {}", text(dir)));
        }
        line
    }
}

fn argument(value: &boesfs_abi::request::ArgValue) -> String {
    use boesfs_abi::request::ArgValue;
    match value {
        ArgValue::Unknown => "?".into(),
        ArgValue::Absent => "-".into(),
        ArgValue::Number(number) => number.to_string(),
        ArgValue::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// What an engine says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Allow or deny.
    pub verdict: Verdict,
    /// What decided.
    pub because: Because,
    /// The operation and object that stopped a call, where it was not the one asked.
    pub stopped_by: Option<(Op, Vec<u8>)>,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The rule with this index, in file order.
    Rule(u32),
    /// No rule: the policy's default.
    Default,
    /// The engine does not tell.
    Untold,
}

impl Because {
    /// Whether both say the same, or one says nothing.
    #[must_use]
    pub fn agrees(self, other: Self) -> bool {
        self == other || self == Self::Untold || other == Self::Untold
    }
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The engine answered.
    Answered(Answer),
    /// The engine cannot be asked this, for this reason.
    Skipped(String),
    /// The engine contradicted itself, or the image it was given.
    Failed(String),
}
