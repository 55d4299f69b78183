//! The grammar by which editors colour policies (TextMate's form), made from the words of the language.
//!
//! The patterns keep to what TextMate's and Rust's regular expressions have in common, so that a test can compile them.

use boesfs_abi::op::{GROUPS, OPS};
use boesfs_grammar::SectionKind;
use serde_json::{Value, json};

use super::vocabulary::{
    ACTION_WORDS, ANNOTATIONS, EFFECT_WORDS, FUNCTIONS, OPTIONS, REQUEST_FIELDS, argument_names,
};

/// The grammar as `editors/vscode/syntaxes/boesfs.tmLanguage.json` holds it.
#[must_use]
pub fn grammar() -> Value {
    let sections = SectionKind::ALL.into_iter().map(SectionKind::name);
    let keywords = OPTIONS.iter().map(|(entry, _)| entry.word);
    let values = OPTIONS.iter().flat_map(|(_, values)| *values).map(|entry| entry.word);
    let settings = ANNOTATIONS.iter().map(|(entry, _)| entry.word);
    let functions = FUNCTIONS.iter().map(|entry| entry.word);
    let effects = EFFECT_WORDS.iter().map(|entry| entry.word);
    let fields = REQUEST_FIELDS.iter().map(|entry| entry.word);
    let operations = OPS.iter().map(|spec| spec.name);
    let groups = GROUPS.iter().map(|(name, _)| name.trim_start_matches('@'));
    let words = ACTION_WORDS.iter().map(|entry| entry.word).filter(|word| *word != "*");
    json!({
        "comment": "Generated from the compiler's tables: UPDATE_GOLDEN=1 cargo test -p boesfs-compiler textmate",
        "name": "boesfs policy",
        "scopeName": "source.boesfs",
        "fileTypes": ["conf", "csv", "model"],
        "firstLineMatch": format!(r"^\s*\[({})\]", alternatives(SectionKind::ALL.into_iter().map(SectionKind::name))),
        "patterns": [
            {"include": "#annotation"},
            {"include": "#comment"},
            {"include": "#section"},
            {"include": "#option"},
            {"include": "#definition"},
            {"include": "#line"},
            {"include": "#expression"},
        ],
        "repository": {
            "annotation": {
                "begin": r"^\s*(#@)",
                "beginCaptures": {"1": {"name": "punctuation.definition.annotation.boesfs"}},
                "end": "$",
                "name": "meta.annotation.boesfs",
                "patterns": [
                    {
                        "match": format!(r"\b({})(=)", alternatives(settings)),
                        "captures": {
                            "1": {"name": "entity.other.attribute-name.boesfs"},
                            "2": {"name": "keyword.operator.assignment.boesfs"},
                        },
                    },
                    {"include": "#string"},
                    {"match": r#"[^\s"=]+"#, "name": "string.unquoted.boesfs"},
                ],
            },
            "comment": {"match": r"(^|[ \t])#.*$", "name": "comment.line.number-sign.boesfs"},
            "section": {
                "match": format!(r"^\s*(\[)({})(\])", alternatives(sections)),
                "captures": {
                    "1": {"name": "punctuation.definition.section.boesfs"},
                    "2": {"name": "entity.name.section.boesfs"},
                    "3": {"name": "punctuation.definition.section.boesfs"},
                },
            },
            "option": {
                "match": format!(r"^\s*({})\s*(=)\s*({}|[^\s#]+)", alternatives(keywords), alternatives(values)),
                "captures": {
                    "1": {"name": "variable.other.property.boesfs"},
                    "2": {"name": "keyword.operator.assignment.boesfs"},
                    "3": {"name": "constant.language.boesfs"},
                },
            },
            "definition": {
                "match": r"^\s*([rpgem][0-9]*|a)\s*(=)",
                "captures": {
                    "1": {"name": "storage.type.boesfs"},
                    "2": {"name": "keyword.operator.assignment.boesfs"},
                },
            },
            "line": {
                "match": r"^\s*([pg][0-9]*|a)\s*(,)",
                "captures": {
                    "1": {"name": "keyword.control.boesfs"},
                    "2": {"name": "punctuation.separator.boesfs"},
                },
            },
            "expression": {
                "patterns": [
                    {"include": "#string"},
                    {"match": r"(/[^\s,\)]*)", "name": "string.unquoted.path.boesfs"},
                    {
                        "match": format!(r"\b({}|g[0-9]*)(\()", alternatives(functions)),
                        "captures": {"1": {"name": "support.function.boesfs"}},
                    },
                    {
                        "match": format!(
                            r"\b(r[0-9]*)(\.)(args\.)?({}|{})\b",
                            alternatives(fields),
                            alternatives(argument_names())
                        ),
                        "captures": {
                            "1": {"name": "variable.language.boesfs"},
                            "3": {"name": "variable.parameter.boesfs"},
                            "4": {"name": "variable.parameter.boesfs"},
                        },
                    },
                    {
                        "match": r"\b(p[0-9]*)(\.)([A-Za-z_][A-Za-z0-9_]*)",
                        "captures": {
                            "1": {"name": "variable.language.boesfs"},
                            "3": {"name": "variable.other.property.boesfs"},
                        },
                    },
                    {"match": r"\b(allow|deny)\b", "name": "keyword.control.effect.boesfs"},
                    {"match": r"\b(file|dir)\b", "name": "storage.modifier.boesfs"},
                    {"match": format!(r"\b({})\b", alternatives(effects)), "name": "keyword.other.boesfs"},
                    {"match": format!(r"@({})\b", alternatives(groups)), "name": "support.constant.group.boesfs"},
                    {
                        "match": format!(r"\b({}|{})\b", alternatives(operations), alternatives(words)),
                        "name": "support.constant.operation.boesfs",
                    },
                    {"match": r"\b(true|false)\b", "name": "constant.language.boesfs"},
                    {"match": r"\b(in)\b", "name": "keyword.operator.word.boesfs"},
                    {"match": r"-?\b(0x[0-9A-Fa-f]+|0o[0-7]+|[0-9]+)\b", "name": "constant.numeric.boesfs"},
                    {"match": r"\|\||&&|==|!=|<=|>=|<|>|!|=|\.\.|&", "name": "keyword.operator.boesfs"},
                ],
            },
            "string": {
                "patterns": [
                    {"match": r#""([^"]|"")*""#, "name": "string.quoted.double.boesfs"},
                    {"match": "'[^']*'", "name": "string.quoted.single.boesfs"},
                ],
            },
        },
    })
}

/// `words` as alternatives of a regular expression, longer ones first, so that none hides another.
fn alternatives<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let mut words: Vec<&str> = words.into_iter().collect();
    words.sort_by_key(|word| (std::cmp::Reverse(word.len()), *word));
    words.dedup();
    words.join("|")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn editors() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../editors/vscode")
    }

    /// Every pattern of `value`, wherever it stands.
    fn patterns<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    if let ("match" | "begin" | "end" | "firstLineMatch", Some(text)) =
                        (key.as_str(), value.as_str())
                    {
                        out.push(text);
                    }
                    patterns(value, out);
                }
            }
            Value::Array(list) => list.iter().for_each(|value| patterns(value, out)),
            _ => {}
        }
    }

    #[test]
    fn textmate_grammar_is_the_tables() {
        let path = editors().join("syntaxes/boesfs.tmLanguage.json");
        let made = serde_json::to_string_pretty(&grammar()).expect("JSON") + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &made).expect("a written grammar");
        }
        assert_eq!(fs::read_to_string(&path).expect("the grammar"), made, "UPDATE_GOLDEN=1 accepts it");
    }

    #[test]
    fn textmate_patterns_compile_and_know_every_word() {
        let grammar = grammar();
        let mut found = Vec::new();
        patterns(&grammar, &mut found);
        assert!(found.len() >= 20);
        let compiled: Vec<regex::Regex> =
            found.iter().map(|pattern| regex::Regex::new(pattern).expect(pattern)).collect();
        let whole = |word: &str| {
            compiled
                .iter()
                .any(|regex| regex.find(word).is_some_and(|found| found.range() == (0..word.len())))
        };
        for spec in &OPS {
            assert!(whole(spec.name), "{}", spec.name);
            assert!(spec.args.iter().all(|arg| whole(&format!("r.args.{}", arg.name))), "{}", spec.name);
        }
        assert!(GROUPS.iter().all(|(name, _)| whole(name)));
        assert!(FUNCTIONS.iter().all(|entry| whole(&format!("{}(", entry.word))));
        assert!(SectionKind::ALL.iter().all(|kind| whole(&format!("[{}]", kind.name()))));
        assert!(ANNOTATIONS.iter().all(|(entry, _)| whole(&format!("{}=", entry.word))));
        assert!(OPTIONS.iter().all(|(entry, _)| whole(&format!("{} = x", entry.word))));
        assert!(EFFECT_WORDS.iter().all(|entry| whole(entry.word)));
    }

    #[test]
    fn textmate_files_belong_together() {
        let read = |name: &str| -> Value {
            let text = fs::read_to_string(editors().join(name)).expect(name);
            serde_json::from_str(&text).expect(name)
        };
        let package = read("package.json");
        let grammar = &package["contributes"]["grammars"][0];
        let language = &package["contributes"]["languages"][0];
        assert_eq!(grammar["language"], language["id"]);
        assert_eq!(read(grammar["path"].as_str().expect("a path"))["scopeName"], grammar["scopeName"]);
        assert_eq!(read(language["configuration"].as_str().expect("a path"))["comments"]["lineComment"], "#");
        let first = regex::Regex::new(language["firstLine"].as_str().expect("a pattern")).expect("a pattern");
        assert!(first.is_match("[request_definition]") && !first.is_match("[section]"));
    }
}
