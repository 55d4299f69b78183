//! What may stand at a place. The text before the place is read as it is, however broken the line is.

use std::collections::BTreeSet;
use std::ops::Range;

use boesfs_abi::op::{GROUPS, OPS, Op};
use boesfs_grammar::SectionKind;

use super::columns::{Use, is_graph};
use super::index::{Index, What};
use super::vocabulary::{
    ACTION_WORDS, ANNOTATIONS, COLUMNS, EFFECTS, Entry, FUNCTIONS, LINE_TYPES, OPTIONS, REQUEST_FIELDS,
    ROLE_RELATION, argument, argument_names, group, operation, section,
};
use crate::lint::LINTS;

/// What kind of word an offer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A section.
    Section,
    /// A key of a definition, an option or an annotation.
    Key,
    /// A value of one.
    Value,
    /// A field of the request or a column.
    Field,
    /// A function.
    Function,
    /// An operation.
    Operation,
    /// A group or an action role.
    Group,
    /// A program or role.
    Subject,
    /// A path.
    Path,
    /// A lint.
    Lint,
    /// A keyword.
    Keyword,
}

/// One thing that may stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What is written.
    pub text: String,
    /// What kind of word it is.
    pub kind: Kind,
    /// What it means, as Markdown; may be empty.
    pub doc: String,
}

/// What may stand at byte `offset` of `text`, and the bytes before it that it takes the place of. `rules` says that
/// the text is the policy of a two-file policy, whose lines stand in no section.
#[must_use]
pub fn complete(text: &[u8], offset: usize, rules: bool, index: &Index) -> (Range<usize>, Vec<Offer>) {
    let offset = offset.min(text.len());
    let start = text[..offset].iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
    let line = String::from_utf8_lossy(&text[start..offset]).into_owned();
    let place = Place { line: &line, offset, index };
    let blank = line.len() - line.trim_start().len();
    let line = &line[blank..];
    if let Some(name) = line.strip_prefix('[') {
        return place.offers(name.len() + 1, section_names());
    }
    if let Some(said) = line.strip_prefix("#@") {
        return place.annotation(said);
    }
    if line.starts_with('#') || line.contains(" #") || line.contains("\t#") {
        return (offset..offset, Vec::new());
    }
    let inside = if rules { Some(SectionKind::Rules) } else { section_at(&text[..start]) };
    match inside {
        None => place.offers(line.len(), section_names()),
        Some(SectionKind::Rules) => place.rule(line),
        Some(kind) => place.definition(kind, line),
    }
}

fn section_names() -> Vec<Offer> {
    let offer = |kind: SectionKind| Offer {
        text: format!("[{}]", kind.name()),
        kind: Kind::Section,
        doc: section(kind).to_owned(),
    };
    SectionKind::ALL.into_iter().map(offer).collect()
}

/// The section in which the text after `before` stands.
fn section_at(before: &[u8]) -> Option<SectionKind> {
    before.rsplit(|byte| *byte == b'\n').find_map(|line| {
        let line = line.trim_ascii();
        let name = line.strip_prefix(b"[")?;
        let end = name.iter().position(|byte| *byte == b']')?;
        SectionKind::from_name(std::str::from_utf8(&name[..end]).ok()?.trim())
    })
}

fn offers(entries: &[Entry], kind: Kind) -> Vec<Offer> {
    entries
        .iter()
        .map(|entry| Offer { text: entry.word.to_owned(), kind, doc: entry.doc.to_owned() })
        .collect()
}

struct Place<'p> {
    line: &'p str,
    offset: usize,
    index: &'p Index,
}

impl Place<'_> {
    /// `offers` for the last `length` bytes of the line.
    fn offers(&self, length: usize, offers: Vec<Offer>) -> (Range<usize>, Vec<Offer>) {
        (self.offset - length.min(self.offset)..self.offset, offers)
    }

    /// The length of the word at the end of the line, of letters that `is_part` takes.
    fn word(&self, is_part: impl Fn(char) -> bool) -> usize {
        let rest = self.line.trim_end_matches(is_part);
        self.line.len() - rest.len()
    }

    fn annotation(&self, said: &str) -> (Range<usize>, Vec<Offer>) {
        let quoted = said.matches('"').count() % 2 == 1;
        if quoted {
            return (self.offset..self.offset, Vec::new());
        }
        let word = said.rsplit([' ', '\t']).next().unwrap_or_default();
        if let Some((key, value)) = word.split_once('=') {
            let values = if key == "allow" {
                LINTS
                    .iter()
                    .map(|lint| Offer {
                        text: lint.name.to_owned(),
                        kind: Kind::Lint,
                        doc: lint.finds.to_owned(),
                    })
                    .collect()
            } else {
                let known = ANNOTATIONS.iter().find(|(entry, _)| entry.word == key);
                known.map(|(_, values)| offers(values, Kind::Value)).unwrap_or_default()
            };
            return self.offers(value.len(), values);
        }
        let keys = ANNOTATIONS.iter().map(|(entry, _)| Offer {
            text: format!("{}=", entry.word),
            kind: Kind::Key,
            doc: entry.doc.to_owned(),
        });
        self.offers(word.len(), keys.collect())
    }

    fn definition(&self, kind: SectionKind, line: &str) -> (Range<usize>, Vec<Offer>) {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let Some((key, value)) = line.split_once('=') else {
            let keys = match kind {
                SectionKind::Options => OPTIONS.iter().map(|(entry, _)| (entry.word, entry.doc)).collect(),
                SectionKind::Request => vec![("r", section(kind))],
                SectionKind::Policy => vec![("p", section(kind))],
                SectionKind::Role => vec![("g", section(kind)), ("a", section(kind))],
                SectionKind::Effect => vec![("e", section(kind))],
                SectionKind::Matchers | SectionKind::Rules => vec![("m", section(kind))],
            };
            let offers = keys.into_iter().map(|(word, doc)| Offer {
                text: format!("{word} = "),
                kind: Kind::Key,
                doc: doc.to_owned(),
            });
            return self.offers(line.len(), offers.collect());
        };
        let value = value.trim_start();
        match kind {
            SectionKind::Request => self.offers(self.word(is_letter), offers(&REQUEST_FIELDS, Kind::Field)),
            SectionKind::Policy => self.offers(self.word(is_letter), offers(&COLUMNS, Kind::Field)),
            SectionKind::Role => {
                let forms: &[(&str, &str)] = if key.trim() == "a" {
                    &[("_, _; _, _", "Action roles, with their tuples.")]
                } else {
                    &[("_, _", "Member and role."), ("_, _, _", "Member, role and domain.")]
                };
                let forms = forms.iter().map(|(text, doc)| Offer {
                    text: (*text).to_owned(),
                    kind: Kind::Value,
                    doc: (*doc).to_owned(),
                });
                self.offers(value.len(), forms.collect())
            }
            SectionKind::Effect => self.offers(value.len(), offers(&EFFECTS, Kind::Value)),
            SectionKind::Options => {
                let known = OPTIONS.iter().find(|(entry, _)| entry.word == key.trim());
                let values = known.map(|(_, values)| offers(values, Kind::Value)).unwrap_or_default();
                self.offers(value.len(), values)
            }
            SectionKind::Matchers | SectionKind::Rules => self.matcher(key.trim(), value),
        }
    }

    fn matcher(&self, key: &str, value: &str) -> (Range<usize>, Vec<Offer>) {
        let open = value.char_indices().fold(None, |open, (at, letter)| match (open, letter) {
            (Some((_, quote)), letter) if quote == letter => None,
            (None, '"' | '\'') => Some((at, letter)),
            (open, _) => open,
        });
        if let Some((at, _)) = open {
            return self.string(&value[..at]);
        }
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
        let length = self.word(is_part);
        let word = &self.line[self.line.len() - length..];
        match word.rsplit_once('.') {
            Some((head, last)) if head.starts_with('r') && head.ends_with(".args") => {
                let names = argument_names().into_iter().map(|name| Offer {
                    text: name.to_owned(),
                    kind: Kind::Field,
                    doc: argument(name).unwrap_or_default(),
                });
                self.offers(last.len(), names.collect())
            }
            Some((head, last)) if head.starts_with('r') => {
                let declared: BTreeSet<&str> = self
                    .index
                    .marks
                    .iter()
                    .filter_map(|mark| match &mark.what {
                        What::RequestField(name) if mark.defines => Some(name.as_str()),
                        _ => None,
                    })
                    .collect();
                let mut fields = offers(&REQUEST_FIELDS, Kind::Field);
                fields.retain(|field| declared.is_empty() || declared.contains(field.text.as_str()));
                self.offers(last.len(), fields)
            }
            Some((head, last)) if head.starts_with('p') => {
                let numbered = format!("p{}", key.get(1..).unwrap_or_default());
                let of = if head == "p" { &numbered } else { head };
                let columns = self.index.types.get(of).or_else(|| self.index.types.get("p"));
                let names =
                    columns.into_iter().flat_map(|of| &of.columns).filter(|(_, what)| *what != Use::Eft);
                let fields = names.map(|(name, _)| Offer {
                    text: name.clone(),
                    kind: Kind::Field,
                    doc: COLUMNS
                        .iter()
                        .find(|entry| entry.word == name)
                        .map_or("", |entry| entry.doc)
                        .to_owned(),
                });
                self.offers(last.len(), fields.collect())
            }
            _ => {
                let mut words = offers(&FUNCTIONS, Kind::Function);
                let relations: BTreeSet<&str> = self
                    .index
                    .marks
                    .iter()
                    .filter_map(|mark| match &mark.what {
                        What::Relation(name) if mark.defines && is_graph(name) => Some(name.as_str()),
                        _ => None,
                    })
                    .collect();
                words.extend(relations.into_iter().map(|name| Offer {
                    text: name.to_owned(),
                    kind: Kind::Function,
                    doc: ROLE_RELATION.to_owned(),
                }));
                let keywords = [
                    ("r", "The request: `r.sub`, `r.obj`, …"),
                    ("p", "The rule: `p.sub`, `p.obj`, …"),
                    ("in", "`x in (a, b)`: equal to one of them."),
                    ("true", "Always."),
                    ("false", "Never."),
                ];
                words.extend(keywords.map(|(word, doc)| Offer {
                    text: word.to_owned(),
                    kind: Kind::Keyword,
                    doc: doc.to_owned(),
                }));
                self.offers(length, words)
            }
        }
    }

    /// A text in a matcher, by the field of the request named last before it.
    fn string(&self, before: &str) -> (Range<usize>, Vec<Offer>) {
        let field = before.rfind("r.").map(|at| &before[at + 2..]);
        let field = field.map(|rest| rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next());
        match field.flatten() {
            Some("act") => self.action(),
            Some("sub") => self.offers(self.word(|letter| !matches!(letter, '"' | '\'')), self.subjects("g")),
            _ => (self.offset..self.offset, Vec::new()),
        }
    }

    fn rule(&self, line: &str) -> (Range<usize>, Vec<Offer>) {
        let cells = cells(line);
        let last = *cells.last().unwrap_or(&"");
        if cells.len() == 1 {
            let mut types = offers(&LINE_TYPES, Kind::Key);
            let numbered: BTreeSet<&String> = self.index.types.keys().filter(|name| *name != "p").collect();
            types.extend(numbered.into_iter().map(|name| Offer {
                text: name.clone(),
                kind: Kind::Key,
                doc: "A rule of this type.".to_owned(),
            }));
            return self.offers(last.trim_start().len(), types);
        }
        let kind = cells[0].trim();
        let place = cells.len() - 2;
        let what = match kind {
            "a" => match place {
                0 => return self.offers(last.trim_start().len(), self.action_roles()),
                1 => Use::Action,
                _ => Use::Tuple,
            },
            graph if is_graph(graph) => {
                if place < 2 {
                    Use::Subject(graph.to_owned())
                } else {
                    Use::Domain
                }
            }
            policy => {
                let columns =
                    self.index.types.get(policy).map(|of| of.columns.as_slice()).unwrap_or_default();
                match columns.get(place) {
                    Some((_, what)) => what.clone(),
                    None if place == columns.len() => Use::Scope,
                    None => Use::Eft,
                }
            }
        };
        let typed = last.trim_start().len();
        let words = |list: &[(&str, &str)]| {
            let offer = |(word, doc): &(&str, &str)| Offer {
                text: (*word).to_owned(),
                kind: Kind::Value,
                doc: (*doc).to_owned(),
            };
            list.iter().map(offer).collect::<Vec<_>>()
        };
        match what {
            Use::Action => self.action(),
            Use::Subject(relation) => self.offers(typed, self.subjects(&relation)),
            Use::Path | Use::Pattern(_) => self.offers(typed, self.paths()),
            Use::Eft => {
                self.offers(typed, words(&[("allow", "The rule allows."), ("deny", "The rule denies.")]))
            }
            Use::Scope => {
                let scopes = [("file", "The object itself."), ("dir", "Everything below the directory.")];
                self.offers(typed, words(&scopes))
            }
            Use::Tuple => self.offers(typed, tuples(&cells)),
            Use::Domain => {
                let names = self.named(|what| match what {
                    What::Domain(name) => Some(name),
                    _ => None,
                });
                self.offers(typed, plain(names, Kind::Value))
            }
            Use::Expression | Use::Value => (self.offset..self.offset, Vec::new()),
        }
    }

    /// Operations, groups and action roles for the word being written.
    fn action(&self) -> (Range<usize>, Vec<Offer>) {
        let length = self.word(|letter| !matches!(letter, ' ' | '\t' | ',' | '"' | '\''));
        let mut words: Vec<Offer> = OPS
            .iter()
            .map(|spec| Offer { text: spec.name.to_owned(), kind: Kind::Operation, doc: operation(spec.op) })
            .collect();
        words.extend(GROUPS.iter().map(|(name, _)| Offer {
            text: (*name).to_owned(),
            kind: Kind::Group,
            doc: group(name).unwrap_or_default(),
        }));
        words.extend(offers(&ACTION_WORDS, Kind::Keyword));
        words.extend(self.action_roles());
        self.offers(length, words)
    }

    fn action_roles(&self) -> Vec<Offer> {
        plain(self.index.action_roles.iter().map(String::as_str).collect(), Kind::Group)
    }

    fn subjects(&self, relation: &str) -> Vec<Offer> {
        let names = self.named(|what| match what {
            What::Subject(of, name) if of == relation => Some(name),
            _ => None,
        });
        let offer = |name: &str| Offer {
            text: field(name),
            kind: Kind::Subject,
            doc: if self.index.is_role(relation, name) {
                "A role.".to_owned()
            } else {
                "A program.".to_owned()
            },
        };
        names.into_iter().filter(|name| !name.is_empty()).map(offer).collect()
    }

    fn paths(&self) -> Vec<Offer> {
        let names = self.named(|what| match what {
            What::Subject(_, name) if name.starts_with('/') => Some(name),
            _ => None,
        });
        plain(names, Kind::Path)
    }

    fn named<'i>(&'i self, pick: impl Fn(&'i What) -> Option<&'i String>) -> BTreeSet<&'i str> {
        self.index.marks.iter().filter_map(|mark| pick(&mark.what)).map(String::as_str).collect()
    }
}

fn plain(names: BTreeSet<&str>, kind: Kind) -> Vec<Offer> {
    names.into_iter().map(|name| Offer { text: field(name), kind, doc: String::new() }).collect()
}

/// Tuples with the arguments of the operations that stand in an earlier cell.
fn tuples(cells: &[&str]) -> Vec<Offer> {
    let mut found = vec![Offer { text: "*".to_owned(), kind: Kind::Value, doc: "Any arguments.".to_owned() }];
    for op in cells.iter().flat_map(|cell| cell.split_whitespace()).filter_map(Op::from_name) {
        let args = op.spec().args;
        if args.is_empty() {
            continue;
        }
        let names: Vec<&str> = args.iter().map(|arg| arg.name).collect();
        let any = vec!["*"; args.len()].join(", ");
        found.push(Offer {
            text: format!("({any})"),
            kind: Kind::Value,
            doc: format!("The arguments of `{}`: `({})`.", op.name(), names.join(", ")),
        });
    }
    found
}

/// The fields of the beginning of a rule, split as the grammar splits them.
fn cells(line: &str) -> Vec<&str> {
    let mut cells = Vec::new();
    let (mut start, mut depth, mut quoted, mut fresh) = (0, 0_usize, false, true);
    let mut letters = line.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            // A doubled quote is one of the text.
            '"' if quoted && letters.next_if(|(_, next)| *next == '"').is_some() => {}
            '"' if fresh || quoted => quoted = !quoted,
            '(' if !quoted && (fresh || depth > 0) => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                cells.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        // Quotes and parentheses mean something at the start of a field only.
        fresh = letter == ',' && !quoted && depth == 0 || fresh && matches!(letter, ' ' | '\t');
    }
    cells.push(&line[start..]);
    cells
}

/// `text` as a field of a rule: quoted where it would otherwise be read as something else.
#[must_use]
pub fn field(text: &str) -> String {
    let plain = !text.is_empty()
        && !text.starts_with(['"', '(', '#', '['])
        && !text.contains([',', '\t'])
        && !text.contains(" #")
        && text.trim() == text;
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_split_as_the_grammar_does() {
        assert_eq!(cells("p, a,\"b, c\", (1, 2), d"), ["p", " a", "\"b, c\"", " (1, 2)", " d"]);
        assert_eq!(cells("p, a(b, c"), ["p", " a(b", " c"]);
        assert_eq!(cells("p, \"a, b"), ["p", " \"a, b"]);
        assert_eq!(cells("p, \"a\"\"b, c\", d"), ["p", " \"a\"\"b, c\"", " d"]);
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(field("dev"), "dev");
        assert_eq!(field("a, b"), "\"a, b\"");
        assert_eq!(field("say \"x\", y"), "\"say \"\"x\"\", y\"");
        assert_eq!(field(" a"), "\" a\"");
    }
}
