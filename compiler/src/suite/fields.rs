//! The fields of a suite as RON has them: each value checked where it stands.

use std::fmt;
use std::marker::PhantomData;

use boesfs_abi::op::Op;
use boesfs_abi::request::Kind;
use boesfs_abi::verdict::Verdict;
use ron::value::RawValue;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::Cause;
use crate::ask::{Question, QuestionError};

/// The whole file.
#[derive(Deserialize)]
#[serde(rename = "Suite", deny_unknown_fields)]
pub(super) struct File<'a> {
    #[serde(default)]
    pub(super) policy: Option<String>,
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) allow: Vec<String>,
    #[serde(default, rename = "use")]
    pub(super) select: Option<String>,
    #[serde(borrow, default)]
    pub(super) defaults: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tests: Vec<&'a RawValue>,
}

/// A test, a request of a test, or what these leave out.
#[derive(Clone, Default, Deserialize)]
#[serde(rename = "Test", deny_unknown_fields, default)]
pub(super) struct Fields<'a> {
    pub(super) name: Option<String>,
    pub(super) sub: Option<OneOrMore<Bytes>>,
    pub(super) act: Option<OneOrMore<Act>>,
    pub(super) obj: Option<OneOrMore<Bytes>>,
    pub(super) args: Option<Vec<Arg>>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) kind: Option<KindWord>,
    pub(super) dom: Option<Bytes>,
    pub(super) dir: Option<Bytes>,
    pub(super) expect: Option<Word>,
    pub(super) effective: Option<Word>,
    pub(super) rule: Option<Cause>,
    pub(super) stopped_by: Option<(Act, Bytes)>,
    #[serde(borrow)]
    pub(super) requests: Option<Vec<&'a RawValue>>,
}

impl Fields<'_> {
    /// These fields, and those of `outer` where they are missing; name and requests are not handed on.
    pub(super) fn within(self, outer: &Self) -> Self {
        let outer = outer.clone();
        Self {
            name: self.name,
            sub: self.sub.or(outer.sub),
            act: self.act.or(outer.act),
            obj: self.obj.or(outer.obj),
            args: self.args.or(outer.args),
            uid: self.uid.or(outer.uid),
            gid: self.gid.or(outer.gid),
            kind: self.kind.or(outer.kind),
            dom: self.dom.or(outer.dom),
            dir: self.dir.or(outer.dir),
            expect: self.expect.or(outer.expect),
            effective: self.effective.or(outer.effective),
            rule: self.rule.or(outer.rule),
            stopped_by: self.stopped_by.or(outer.stopped_by),
            requests: self.requests,
        }
    }
}

/// A value, or a list of values each of which is meant.
#[derive(Clone)]
pub(super) struct OneOrMore<T>(pub(super) Vec<T>);

/// A path, a program or a name: a string, or a byte string where it is not UTF-8.
#[derive(Clone)]
pub(super) struct Bytes(pub(super) Vec<u8>);

/// An operation.
#[derive(Clone, Copy)]
pub(super) struct Act(pub(super) Op);

/// A kind of object.
#[derive(Clone, Copy)]
pub(super) struct KindWord(pub(super) Kind);

/// An argument as text.
#[derive(Clone)]
pub(super) struct Arg(pub(super) String);

/// What is wrong, and on a line of its own what to do.
fn with_help(error: &QuestionError) -> String {
    match error {
        QuestionError::Operation { word, help: Some(help) } => format!("unknown operation `{word}`\n{help}"),
        QuestionError::Kind { word, help: Some(help) } => format!("unknown kind `{word}`\n{help}"),
        other => other.to_string(),
    }
}

/// `allow` or `deny`.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
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

/// What a value is made of.
trait FromScalar: Sized {
    const EXPECTS: &'static str;
    fn from_text(text: &str) -> Result<Self, String>;
    fn from_bytes(_bytes: &[u8]) -> Option<Self> {
        None
    }
    fn from_number(_number: i128) -> Option<Self> {
        None
    }
}

impl FromScalar for Bytes {
    const EXPECTS: &'static str = "a string";
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.as_bytes().to_vec()))
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.to_vec()))
    }
}

impl FromScalar for Act {
    const EXPECTS: &'static str = "an operation in quotes";
    fn from_text(text: &str) -> Result<Self, String> {
        let question = Question { act: text.to_owned(), obj: b"/".to_vec(), ..Question::default() };
        question.request().map(|request| Self(request.op())).map_err(|error| with_help(&error))
    }
}

impl FromScalar for KindWord {
    const EXPECTS: &'static str = "a kind of object in quotes";
    fn from_text(text: &str) -> Result<Self, String> {
        let question = Question {
            act: Op::Lookup.name().to_owned(),
            obj: b"/".to_vec(),
            kind: Some(text.to_owned()),
            ..Question::default()
        };
        let request = question.request().map_err(|error| with_help(&error))?;
        request.kind.map(Self).ok_or_else(String::new)
    }
}

impl FromScalar for Arg {
    const EXPECTS: &'static str = "a number, or a string";
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
    fn from_number(number: i128) -> Option<Self> {
        Some(Self(number.to_string()))
    }
}

impl FromScalar for Cause {
    const EXPECTS: &'static str = "a rule's id in quotes, `\"default\"`, or a line's number";
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self::Id(text.to_owned()))
    }
    fn from_number(number: i128) -> Option<Self> {
        u32::try_from(number).ok().map(Self::Line)
    }
}

struct Scalar<T>(PhantomData<T>);

impl<'de, T: FromScalar> Visitor<'de> for Scalar<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTS)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        T::from_bytes(bytes).ok_or_else(|| E::custom(format!("{} stands here, not bytes", T::EXPECTS)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_i128(number.into())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_i128(number.into())
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<T, E> {
        T::from_number(number).ok_or_else(|| E::custom(format!("{} stands here, not `{number}`", T::EXPECTS)))
    }
}

macro_rules! scalars {
    ($($ty:ident),+) => {$(
        impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Scalar(PhantomData))
            }
        }
    )+};
}

scalars!(Bytes, Act, KindWord, Arg, Cause);

impl<'de, T: FromScalar + Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T>(PhantomData<T>);

        impl<'de, T: FromScalar + Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = OneOrMore<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}, or a list of them", T::EXPECTS)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Scalar(PhantomData).visit_str(text).map(|one| OneOrMore(vec![one]))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Scalar(PhantomData).visit_bytes(bytes).map(|one| OneOrMore(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(next) = seq.next_element()? {
                    all.push(next);
                }
                if all.is_empty() {
                    return Err(A::Error::custom("the list is empty, so nothing is asked"));
                }
                Ok(OneOrMore(all))
            }
        }

        deserializer.deserialize_any(List(PhantomData))
    }
}
