//! What was found, for people and for programs.

use std::fmt::Write as _;

use boesfs_abi::op::{GROUPS, Op, OpSet};
use boesfs_abi::request::Request;
use boesfs_abi::verdict::Verdict;
use serde_json::{Value, json};

use crate::ask::{known_argument_words, question_json};
use crate::shown::shown;

use super::{Answers, Blamed, Comparison, Finding, Outcome, Part, PatternTerm, Patterns};

impl Patterns {
    /// The set in words.
    #[must_use]
    pub fn words(&self) -> String {
        let words = union(&self.terms);
        if self.exact { words } else { format!("somewhere in {words} (not all of it)") }
    }

    fn json(&self) -> Value {
        json!({"exact": self.exact, "patterns": self.terms.iter().map(PatternTerm::json).collect::<Vec<_>>()})
    }
}

impl PatternTerm {
    fn json(&self) -> Value {
        let except: Vec<Value> = self.except.iter().map(Self::json).collect();
        json!({"pattern": self.pattern, "also": self.also, "except": except})
    }
}

fn union(terms: &[PatternTerm]) -> String {
    let words = terms.iter().map(|term| {
        let pattern = if term.pattern == "/**" { "every path" } else { &term.pattern };
        let also = term.also.as_ref().map_or_else(String::new, |also| format!(" that is also {also}"));
        match term.except.as_slice() {
            [] => format!("{pattern}{also}"),
            except => format!("{pattern}{also} except {}", nested(except)),
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

fn nested(terms: &[PatternTerm]) -> String {
    let words = union(terms);
    if terms.iter().any(|term| !term.except.is_empty()) { format!("({words})") } else { words }
}

/// Operations in words: every one, or groups and names.
#[must_use]
pub(super) fn op_words(ops: OpSet) -> String {
    let decided = OpSet::ALL.iter().filter(|op| op.decided_as() == *op).fold(OpSet::EMPTY, OpSet::with);
    if ops == decided {
        return "any operation".to_owned();
    }
    let (mut rest, mut words) = (ops, Vec::new());
    for (name, group) in GROUPS {
        let group = group.intersection(decided);
        if group.iter().count() > 2 && group.difference(rest).is_empty() {
            words.push(name);
            rest = rest.difference(group);
        }
    }
    words.extend(rest.iter().map(Op::name));
    words.join(" ")
}

/// A request in words.
fn request_words(request: &Request) -> String {
    let mut words = format!("{} {} {}", shown(request.sub()), request.op(), shown(request.obj()));
    let values = known_argument_words(request, shown);
    if !values.is_empty() {
        words.push_str(&format!(" ({})", values.join(", ")));
    }
    for (name, value) in [("uid", request.uid), ("gid", request.gid)] {
        if let Some(value) = value {
            words.push_str(&format!(", {name} {value}"));
        }
    }
    if let Some(kind) = request.kind {
        words.push_str(&format!(", kind {}", kind.name()));
    }
    if let Some(domain) = request.dom() {
        words.push_str(&format!(", in domain `{}`", shown(domain)));
    }
    words
}

fn outcome_words(outcome: &Outcome) -> String {
    match (outcome.errno(), outcome.said) {
        (Some(errno), Some((_, report))) => {
            format!("deny with {}{}", errno.name(), if report { "" } else { ", silent" })
        }
        (None, Some((_, true))) => format!("{}, reported", outcome.verdict),
        _ => outcome.verdict.to_string(),
    }
}

/// The most rules that are named.
const MOST_RULES: usize = 5;

fn rule_lines(out: &mut String, title: &str, rules: &[Blamed]) {
    let mut title = title;
    for rule in rules.iter().take(MOST_RULES) {
        let words = match rule {
            Blamed::Rule(rule) => format!("{}:{}: {}", rule.file, rule.line, rule.text),
            Blamed::Default => "no rule, the effect's default".to_owned(),
            Blamed::Unnamed => "not named by the image".to_owned(),
        };
        let _ = writeln!(out, "  {title:<7} {words}");
        title = "";
    }
    if rules.len() > MOST_RULES {
        let _ = writeln!(out, "  {:<7} and {} more rules", "", rules.len() - MOST_RULES);
    }
}

fn part_lines(out: &mut String, part: &Part) {
    let verdict = match &part.old {
        Some(old) => format!("{} -> {}", outcome_words(old), outcome_words(&part.new)),
        None => outcome_words(&part.new),
    };
    let _ = writeln!(out, "  {verdict}: {}", op_words(part.ops));
    let _ = writeln!(out, "    who   {}", part.who.join(", "));
    let _ = writeln!(out, "    where {}", part.paths.words());
    if !part.conditions.is_empty() {
        let _ = writeln!(out, "    when  {}", part.conditions.join("; or "));
    }
    let _ = writeln!(out, "    e.g.  {}", request_words(&part.witness));
}

fn rule_json(blamed: &Blamed) -> Value {
    match blamed {
        Blamed::Rule(rule) => json!({
            "id": rule.id,
            "file": rule.file,
            "line": rule.line,
            "text": rule.text,
            "level": rule.level,
        }),
        Blamed::Default => "default".into(),
        Blamed::Unnamed => Value::Null,
    }
}

fn outcome_json(outcome: &Outcome) -> Value {
    let mut value = json!({"decision": outcome.verdict.to_string()});
    if let (Some(object), Some((_, report))) = (value.as_object_mut(), outcome.said) {
        object.insert("errno".to_owned(), outcome.errno().map(|errno| errno.name()).into());
        object.insert("reported".to_owned(), report.into());
    }
    value
}

fn part_json(part: &Part) -> Value {
    json!({
        "old": part.old.as_ref().map(outcome_json),
        "new": outcome_json(&part.new),
        "subjects": part.who,
        "ops": part.ops.iter().map(Op::name).collect::<Vec<_>>(),
        "paths": part.paths.json(),
        "conditions": part.conditions,
        "witness": question_json(&part.witness),
    })
}

fn more(out: &mut String, count: usize, shown: usize, what: &str, flag: &str) {
    if count > shown {
        let _ = writeln!(out, "and {} more {what}, `{flag} {count}` shows them", count - shown);
    }
}

impl Comparison {
    /// For people.
    #[must_use]
    pub fn human(&self) -> String {
        let mut out = String::new();
        if self.is_equal() {
            return "equal: every request gets the same decision\n".to_owned();
        }
        for option in &self.options {
            let _ = writeln!(out, "option {}: {} -> {}", option.name, option.old, option.new);
        }
        for (number, change) in self.changes.iter().enumerate() {
            let _ = writeln!(out, "change {}", number + 1);
            rule_lines(&mut out, "before", &change.old_rules);
            rule_lines(&mut out, "now", &change.new_rules);
            change.parts.iter().for_each(|part| part_lines(&mut out, part));
            more(&mut out, change.part_count, change.parts.len(), "parts of it", "--max-parts");
        }
        more(&mut out, self.change_count, self.changes.len(), "changes", "--max-changes");
        out
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let changes = self.changes.iter().map(|change| {
            json!({
                "old_rules": change.old_rules.iter().map(rule_json).collect::<Vec<_>>(),
                "new_rules": change.new_rules.iter().map(rule_json).collect::<Vec<_>>(),
                "part_count": change.part_count,
                "parts": change.parts.iter().map(part_json).collect::<Vec<_>>(),
            })
        });
        let options = self
            .options
            .iter()
            .map(|option| json!({"name": option.name, "old": option.old, "new": option.new}));
        json!({
            "version": 1,
            "equal": self.is_equal(),
            "options": options.collect::<Vec<_>>(),
            "change_count": self.change_count,
            "changes": changes.collect::<Vec<_>>(),
        })
    }
}

impl Answers {
    /// For people.
    #[must_use]
    pub fn human(&self) -> String {
        let mut out = String::new();
        if self.count == 0 {
            return "none: no request is so\n".to_owned();
        }
        for (number, answer) in self.answers.iter().enumerate() {
            let _ = writeln!(out, "answer {}", number + 1);
            rule_lines(&mut out, "by", &answer.new_rules);
            answer.parts.iter().for_each(|part| part_lines(&mut out, part));
            more(&mut out, answer.part_count, answer.parts.len(), "parts of it", "--max-parts");
        }
        more(&mut out, self.count, self.answers.len(), "answers", "--max-answers");
        out
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let answers = self.answers.iter().map(|answer| {
            json!({
                "rules": answer.new_rules.iter().map(rule_json).collect::<Vec<_>>(),
                "part_count": answer.part_count,
                "parts": answer.parts.iter().map(part_json).collect::<Vec<_>>(),
            })
        });
        json!({"version": 1, "count": self.count, "answers": answers.collect::<Vec<_>>()})
    }
}

impl Finding {
    /// Whether some of it is allowed now that was not.
    #[must_use]
    pub fn loosens(&self) -> bool {
        self.parts.iter().any(|part| part.new.verdict == Verdict::Allow)
    }
}
