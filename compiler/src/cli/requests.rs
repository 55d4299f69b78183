//! `eval --requests`: JSON lines in, JSON lines out, in order.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::Path;

use boesfs_abi::verdict::Verdict;
use boesfs_compiler::ask::{Question, Which};
use boesfs_compiler::shown::told;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value, json};

use super::panels::Panels;
use super::{CommandError, Exit, Screen};

const KEYS: [&str; 10] = ["sub", "obj", "act", "args", "uid", "gid", "kind", "dom", "expect", "escaped"];

/// Answers every line of `file`. A line that is no request is answered by an error, and the rest goes on.
pub(super) fn answer_all(
    panels: &mut Panels<'_>,
    file: &Path,
    which: Which,
    screen: &mut Screen,
) -> Result<Exit, CommandError> {
    let failed =
        |error: io::Error| CommandError::World(format!("`{}` cannot be read: {error}", file.display()));
    let mut input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).map_err(failed)?))
    };
    let mut exit = Exit::Fine;
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(exit);
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let answered = read_question(&line).and_then(|(question, expect)| {
            Ok((panels.about(&question, |panel, request| panel.ask(&request))?, expect))
        });
        let (answer, expect) = match answered {
            Ok(asked) => asked,
            Err(error) => {
                exit = Exit::Refused;
                screen.json(&json!({ "error": error }))?;
                continue;
            }
        };
        screen.json(&answer.json())?;
        let verdict = answer.verdict(which);
        if let Some(expect) = expect.filter(|expect| *expect != verdict) {
            exit = Exit::Refused;
            let _ = writeln!(
                io::stderr(),
                "{}:{number}: expected {expect}, the answer is {verdict}",
                file.display()
            );
        }
    }
}

/// The request in one line of JSON, and what is expected of it.
pub(super) fn read_question(line: &[u8]) -> Result<(Question, Option<Verdict>), String> {
    let object: Object = serde_json::from_slice(line).map_err(|error| match error.classify() {
        Category::Data => error.to_string(),
        Category::Io | Category::Syntax | Category::Eof => format!("not JSON: {error}"),
    })?;
    asked(&object.0)
}

/// An object that has each key once: of two the later would be meant, or the first.
struct Object(Map<String, Value>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Object, A::Error> {
                let mut object = Map::new();
                while let Some((key, value)) = entries.next_entry::<String, Value>()? {
                    if object.contains_key(&key) {
                        return Err(Error::custom(format_args!("the key `{key}` is there twice")));
                    }
                    object.insert(key, value);
                }
                Ok(Object(object))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// The request that an object says, and what is expected of it.
fn asked(object: &Map<String, Value>) -> Result<(Question, Option<Verdict>), String> {
    if let Some(key) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(match boesfs_compiler::diagnostic::closest(key, KEYS) {
            Some(known) => format!("unknown key `{key}`, did you mean `{known}`?"),
            None => format!("unknown key `{key}`, the keys are {}", KEYS.join(", ")),
        });
    }
    // A null is a key that is not there.
    let get = |key: &str| object.get(key).filter(|value| !value.is_null());
    let text = |key: &str| match get(key) {
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{key}` is not a string")),
        None => Ok(None),
    };
    let required = |key: &str| text(key)?.ok_or_else(|| format!("`{key}` is missing"));
    let number = |key: &str| match get(key) {
        Some(value) => value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .map(Some)
            .ok_or_else(|| format!("`{key}` is not a 32-bit number")),
        None => Ok(None),
    };
    let escaped = match get("escaped") {
        Some(Value::Bool(escaped)) => *escaped,
        Some(_) => return Err("`escaped` is neither true nor false".to_owned()),
        None => false,
    };
    let bytes = |key: &str, text: String| {
        if !escaped {
            return Ok(text.into_bytes());
        }
        told(&text)
            .ok_or_else(|| format!("`{key}` is not escaped: a `\\` is written twice, a byte as `\\xNN`"))
    };
    let args = match get("args") {
        Some(Value::Array(items)) => {
            items.iter().map(|item| bytes("args", argument(item)?)).collect::<Result<_, _>>()?
        }
        Some(_) => return Err("`args` is not an array".to_owned()),
        None => Vec::new(),
    };
    let expect = match text("expect")?.as_deref() {
        Some("allow") => Some(Verdict::Allow),
        Some("deny") => Some(Verdict::Deny),
        Some(other) => return Err(format!("`expect` is `{other}`, neither allow nor deny")),
        None => None,
    };
    let question = Question {
        sub: bytes("sub", required("sub")?)?,
        obj: bytes("obj", required("obj")?)?,
        act: required("act")?,
        args,
        uid: number("uid")?,
        gid: number("gid")?,
        kind: text("kind")?,
        dom: text("dom")?.map(|dom| bytes("dom", dom)).transpose()?,
    };
    Ok((question, expect))
}

fn argument(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err("an argument is neither a string nor a number".to_owned()),
    }
}
