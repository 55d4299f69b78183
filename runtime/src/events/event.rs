//! One decision, as it is told.

use std::fmt::Write;

use boesfs_abi::op::Op;
use boesfs_abi::request::ArgValue;
use boesfs_abi::verdict::{Errno, Level, Reason, Verdict};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::plane::Plane;

/// One decision worth telling. Serialises to the JSON object of an event line.
///
/// Paths and other bytes are kept raw and [escaped](escape) on the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When: nanoseconds since 1970-01-01T00:00:00Z.
    pub time: u64,
    /// The sandbox's name.
    pub sandbox: String,
    /// The policy's content id, in hexadecimal.
    pub policy: String,
    /// Which loading of a policy decided; 1 is the first.
    pub generation: u64,
    /// The process, as seen in the supervisor's pid namespace.
    pub pid: u32,
    /// Its file system uid, as seen outside the sandbox; `None` if not known.
    pub uid: Option<u32>,
    /// Its subject.
    pub sub: Vec<u8>,
    /// What it asked; `None` where nothing was asked (the end of a sandbox at its kill limit).
    pub op: Option<Op>,
    /// Of which object, as seen in the sandbox; `None` where there is none or it could not be established.
    pub path: Option<Vec<u8>>,
    /// Whether `path` was too long to be kept whole.
    pub path_truncated: bool,
    /// With which tuple.
    pub args: Vec<ArgValue>,
    /// What it got.
    pub verdict: Verdict,
    /// The error it got with a denial.
    pub errno: Option<EventErrno>,
    /// How loud this is.
    pub level: Level,
    /// What decided.
    pub cause: Cause,
    /// Where it was decided.
    pub plane: Plane,
    /// How many events that differ from this one in time and process alone were not told since one was.
    pub folded: u64,
}

/// The error a denied call got: one a policy can name, or `EXDEV` for a move that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventErrno {
    /// One that a policy can name.
    Policy(Errno),
    /// `EXDEV`: link and rename that cross an edge or gain a right.
    Xdev,
}

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A rule.
    Rule(RuleRef),
    /// A rule, in a way that is not its plain application (say, because an argument is not known).
    RuleBecause(RuleRef, Reason),
    /// No rule.
    Because(Reason),
    /// The end of the sandbox at its kill limit.
    KillLimit,
}

/// The rule that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleRef {
    /// Its id: given in the policy, or its line.
    pub id: String,
    /// Its line in the policy.
    pub line: u32,
    /// Its text; empty in an image without debug section.
    pub text: String,
}

impl Event {
    /// Whether a sandbox's kill limit counts this: a call denied by a rule or a default. Hidden names,
    /// `EXDEV` and what could not be judged do not count.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.verdict == Verdict::Deny
            && match &self.cause {
                Cause::Rule(_) => true,
                Cause::RuleBecause(_, reason) | Cause::Because(reason) => match reason {
                    Reason::Rule | Reason::Default | Reason::UnknownArgs => true,
                    Reason::Hidden
                    | Reason::Unresolved
                    | Reason::TooDeep
                    | Reason::GainsRight
                    | Reason::CrossesEdge
                    | Reason::Anonymous
                    | Reason::Exhausted
                    | Reason::Corrupt
                    | Reason::Confined
                    | Reason::FoldsCase => false,
                },
                Cause::KillLimit => false,
            }
    }

    /// The event as its line, newline included.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self)
            .expect("INVARIANT: an event holds only strings, numbers and lists of them");
        line.push(b'\n');
        line
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (rule, reason) = match &self.cause {
            Cause::Rule(rule) => (Some(rule), None),
            Cause::RuleBecause(rule, reason) => (Some(rule), Some(reason.name())),
            Cause::Because(reason) => (None, Some(reason.name())),
            Cause::KillLimit => (None, Some("kill-limit")),
        };
        let mut object = serializer.serialize_struct("Event", 18)?;
        object.serialize_field("time", &super::timestamp(self.time))?;
        object.serialize_field("sandbox", &self.sandbox)?;
        object.serialize_field("policy", &self.policy)?;
        object.serialize_field("generation", &self.generation)?;
        object.serialize_field("pid", &self.pid)?;
        object.serialize_field("uid", &self.uid)?;
        object.serialize_field("sub", &escape(&self.sub))?;
        object.serialize_field("op", &self.op.map(Op::name))?;
        object.serialize_field("path", &self.path.as_deref().map(escape))?;
        object.serialize_field("path_truncated", &self.path_truncated)?;
        object.serialize_field("args", &self.args.iter().map(argument).collect::<Vec<_>>())?;
        object.serialize_field(
            "verdict",
            if self.cause == Cause::KillLimit { "kill" } else { verdict(self.verdict) },
        )?;
        object.serialize_field("errno", &self.errno.map(EventErrno::name))?;
        object.serialize_field("level", self.level.name())?;
        object.serialize_field("rule", &rule)?;
        object.serialize_field("reason", &reason)?;
        object.serialize_field("plane", &self.plane)?;
        if self.folded > 0 {
            object.serialize_field("folded", &self.folded)?;
        }
        object.end()
    }
}

impl EventErrno {
    /// The name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Policy(errno) => errno.name(),
            Self::Xdev => "EXDEV",
        }
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Deny => "deny",
    }
}

/// An argument as `boesfsc eval` takes it: `?` not known, `-` absent, numbers decimal and unsigned.
fn argument(value: &ArgValue) -> String {
    match value {
        ArgValue::Unknown => "?".to_owned(),
        ArgValue::Absent => "-".to_owned(),
        ArgValue::Number(number) => number.to_string(),
        ArgValue::Bytes(bytes) => escape(bytes),
    }
}

/// `bytes` as text, reversibly: a backslash is doubled, a byte that is not part of valid UTF-8 is `\x` and two
/// lower-case hexadecimal digits; everything else stands for itself.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char == '\\' {
                text.push('\\');
            }
            text.push(char);
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("INVARIANT: writing to a string cannot fail");
        }
    }
    text
}

/// `text` for a terminal or a line of a table: what ends the line, moves on it or turns it around is written byte by byte, as
/// [`escape`] writes what is not UTF-8.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        let turns = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if char.is_control() || turns {
            for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                write!(shown, "\\x{byte:02x}").expect("INVARIANT: writing to a string cannot fail");
            }
        } else {
            shown.push(char);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_escaped_reversibly() {
        assert_eq!(escape(b"/srv/a b"), "/srv/a b");
        assert_eq!(escape("/srv/ä".as_bytes()), "/srv/ä");
        assert_eq!(escape(b"/srv/\xff\\x"), "/srv/\\xff\\\\x");
        assert_eq!(escape(b"\\xff"), "\\\\xff");
    }

    #[test]
    fn what_is_shown_stays_in_its_place() {
        assert_eq!(visible("a b\\ä"), "a b\\ä");
        assert_eq!(visible("a\nb\x1b[31m\t\x7f"), "a\\x0ab\\x1b[31m\\x09\\x7f");
        assert_eq!(visible("\u{9b}1m\u{202e}"), "\\xc2\\x9b1m\\xe2\\x80\\xae");
    }

    #[test]
    fn an_event_is_the_documented_object() {
        let event = Event {
            time: 1_700_000_000_000_000_001,
            sandbox: "build".into(),
            policy: "00ff".into(),
            generation: 1,
            pid: 42,
            uid: Some(0),
            sub: b"/bin/bash".to_vec(),
            op: Some(Op::Write),
            path: Some(b"/srv/f\n".to_vec()),
            path_truncated: false,
            args: vec![ArgValue::Number(100), ArgValue::Unknown],
            verdict: Verdict::Deny,
            errno: Some(EventErrno::Policy(Errno::Acces)),
            level: Level::Event,
            cause: Cause::Rule(RuleRef { id: "3".into(), line: 3, text: "p, …".into() }),
            plane: Plane::Fuse,
            folded: 0,
        };
        assert!(event.counts());
        assert_eq!(
            String::from_utf8(event.line()).unwrap(),
            concat!(
                r#"{"time":"2023-11-14T22:13:20.000000001Z","sandbox":"build","policy":"00ff","generation":1,"#,
                r#""pid":42,"uid":0,"sub":"/bin/bash","op":"write","path":"/srv/f\n","path_truncated":false,"#,
                r#""args":["100","?"],"verdict":"deny","errno":"EACCES","level":"event","#,
                r#""rule":{"id":"3","line":3,"text":"p, …"},"reason":null,"plane":"fuse"}"#,
                "\n"
            )
        );
        let hidden = Event { cause: Cause::Because(Reason::Hidden), ..event };
        assert!(!hidden.counts());
    }
}
