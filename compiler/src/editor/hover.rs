//! What a word means, as Markdown.

use std::collections::BTreeSet;

use boesfs_grammar::{Span, SyntaxTree};

use super::index::{Index, What};
use super::phrase::{self, code};
use super::vocabulary::{
    ACTION_WORDS, ANNOTATIONS, COLUMNS, EFFECT_WORDS, EFFECTS, Entry, FUNCTIONS, LINE_TYPES, OPTIONS,
    REQUEST_FIELDS, ROLE_RELATION, argument, find, group, operation, section,
};
use crate::lint;
use crate::model::Model;

/// How many members of a role are listed.
const SHOWN: usize = 20;

/// What stands at byte `offset` of source `file`, and where; `None` if nothing is known of it.
#[must_use]
pub fn hover(
    tree: &SyntaxTree,
    index: &Index,
    model: Option<&Model>,
    file: u16,
    offset: u32,
) -> Option<(String, Span)> {
    let mark = index.at(file, offset)?;
    let text = match &mark.what {
        What::Section(kind) => format!("**`[{}]`**: {}", kind.name(), section(*kind)),
        What::Key(kind) => section(*kind).to_owned(),
        What::RequestType(_) => "The request: which of its fields the matcher may look at.".to_owned(),
        What::PolicyType(name) => policy_type(tree, model, mark.span, name),
        What::Relation(name) if name == "a" => titled(find(&LINE_TYPES, "a")?),
        What::Relation(name) => {
            let count = index.edges.get(name).map_or(0, Vec::len);
            format!("**`{name}`**: a role relation with {count} lines.\n\n{ROLE_RELATION}")
        }
        What::RequestField(name) => titled(find(&REQUEST_FIELDS, name)?),
        What::Argument(name) => argument(name)?,
        What::Column(of, name) => column(index, of, name),
        What::Function(name) => titled(find(&FUNCTIONS, name)?),
        What::Effect(text) => effect(text),
        What::Subject(relation, name) => subject(index, relation, name),
        What::Operation(op) => operation(*op),
        What::Group(name) => match group(name) {
            Some(text) => text,
            None => titled(find(&ACTION_WORDS, name)?),
        },
        What::ActionRole(name) => action_role(model, name),
        What::Path => "A path: this object and no other.".to_owned(),
        What::Pattern(function) => find(&FUNCTIONS, function)?.doc.to_owned(),
        What::Tuple => {
            "A tuple: a test for each argument, in order. `*` is any value; a number; `a..b`; `<n <=n >n >=n !=n`; `&m` any bit of a mask; a path or pattern."
                .to_owned()
        }
        What::Domain(name) => format!("The domain {}: a sandbox's name.", code(name.as_bytes())),
        What::Eft(word) => match word.as_str() {
            "allow" => "The rule allows.".to_owned(),
            "deny" => "The rule denies.".to_owned(),
            _ => return None,
        },
        What::Scope(word) => match word.as_str() {
            "file" => "`file`: the object itself.".to_owned(),
            "dir" => "`dir`: everything below the directory, not itself.".to_owned(),
            _ => return None,
        },
        What::Option(key) => titled(&OPTIONS.iter().find(|(entry, _)| entry.word == key)?.0),
        What::OptionValue(key, value) => {
            titled(find(OPTIONS.iter().find(|(entry, _)| entry.word == key)?.1, value)?)
        }
        What::Annotation(key) => titled(&ANNOTATIONS.iter().find(|(entry, _)| entry.word == key)?.0),
        What::AnnotationValue(key, value) if key == "allow" => {
            let lint = lint::lint(value)?;
            format!("**{}** `{}`: {}", lint.code, lint.name, lint.finds)
        }
        What::AnnotationValue(key, value) => {
            titled(find(ANNOTATIONS.iter().find(|(entry, _)| entry.word == key)?.1, value)?)
        }
        What::Constant | What::Number | What::Text => return None,
    };
    Some((text, mark.span))
}

fn titled(entry: &Entry) -> String {
    format!("**`{}`**: {}", entry.word, entry.doc)
}

/// The rule whose line begins at `span`, or what the policy type is.
fn policy_type(tree: &SyntaxTree, model: Option<&Model>, span: Span, name: &str) -> String {
    let line = tree.lines.iter().find(|line| line.span.file == span.file && line.span.start == span.start);
    let rule = line.zip(model).and_then(|(line, model)| {
        let rule = model.rules.iter().find(|rule| rule.span == line.span)?;
        Some(phrase::rule(model, rule))
    });
    rule.unwrap_or_else(|| match find(&LINE_TYPES, "p") {
        Some(entry) if line.is_some() => format!("**`{name}`**: {}", entry.doc),
        _ => format!("**`{name}`**: the columns of the rules that begin with `{name}`."),
    })
}

fn column(index: &Index, of: &str, name: &str) -> String {
    let known = index.types.get(of).is_some_and(|of| of.columns.iter().any(|(column, _)| column == name));
    let doc = match find(&COLUMNS, name) {
        Some(entry) => entry.doc,
        None if known => "A column of the rules; what it holds follows from how the matcher uses it.",
        None => "No column of this name is defined.",
    };
    format!("**`{of}.{name}`**: {doc}")
}

fn effect(text: &str) -> String {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    match EFFECTS.iter().find(|entry| squeezed(entry.word) == squeezed(text)) {
        Some(entry) => entry.doc.to_owned(),
        None => {
            let words: Vec<String> =
                EFFECT_WORDS.iter().filter(|entry| text.contains(entry.word)).map(titled).collect();
            words.join("\n\n")
        }
    }
}

/// What `name` is in `relation`: its members, if it is a role, and its roles.
fn subject(index: &Index, relation: &str, name: &str) -> String {
    let edges = index.edges.get(relation).map(Vec::as_slice).unwrap_or_default();
    let reach = |start: &str, up: bool| {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut work = vec![start.to_owned()];
        while let Some(at) = work.pop() {
            for edge in edges {
                let (from, to) = if up { (&edge.member, &edge.role) } else { (&edge.role, &edge.member) };
                if *from == at && to != start && seen.insert(to) {
                    work.push(to.clone());
                }
            }
        }
        seen
    };
    let list = |names: &BTreeSet<&str>| {
        let shown: Vec<String> = names.iter().take(SHOWN).map(|name| code(name.as_bytes())).collect();
        let more = names.len().saturating_sub(SHOWN);
        if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
    };
    let (members, roles) = (reach(name, false), reach(name, true));
    let mut text = if !members.is_empty() {
        format!("Role {} of `{relation}`\n\nMembers: {}", code(name.as_bytes()), list(&members))
    } else if name.starts_with('/') {
        format!("The program {}", code(name.as_bytes()))
    } else {
        format!("Programs whose base name is {}", code(name.as_bytes()))
    };
    if !roles.is_empty() {
        text.push_str(&format!("\n\nHas the roles: {}", list(&roles)));
    }
    text
}

fn action_role(model: Option<&Model>, name: &str) -> String {
    let mut text = format!("Action role {}", code(name.as_bytes()));
    let role = model.and_then(|model| model.action_roles.iter().find(|role| role.name == name));
    for (ops, tuple) in role.map(|role| role.members.as_slice()).unwrap_or_default() {
        let tests = if tuple.0.is_empty() { "" } else { ", with a tuple" };
        text.push_str(&format!("\n- {}{tests}", phrase::operations(*ops)));
    }
    text
}
