//! `pathMatch` and `globMatch` patterns to regular expressions.

use crate::rules::Regex;

use super::bytes::{ByteSet, alternate, any_of, byte, concat, optional};

/// Whose globs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// `pathMatch`
    Path,
    /// `globMatch`, where `/a/**` does not match `/a`.
    Glob,
    /// `globMatch` as Go Casbin has it, where it does.
    GoGlob,
}

/// How many patterns the braces of one may stand for.
const MAX_EXPANSIONS: usize = 1024;

/// How many braces one pattern may hold.
const MAX_BRACES: usize = 256;

/// The language of `pattern`. The error says why it is too large.
pub(super) fn regex(pattern: &[u8], flavour: Flavour) -> Result<Regex, String> {
    let braces = pattern.iter().filter(|b| **b == b'{').count();
    if braces > MAX_BRACES {
        return Err(format!("it has {braces} braces, limit is {MAX_BRACES}"));
    }
    let parser = Parser { flavour };
    let expansions = parser.expansions(pattern);
    if expansions > MAX_EXPANSIONS {
        return Err(format!("its braces stand for {expansions} patterns, limit is {MAX_EXPANSIONS}"));
    }
    Ok(parser.alternatives(pattern))
}

struct Parser {
    flavour: Flavour,
}

/// A brace group: where it begins, its parts as ranges, one past its end.
struct Braces {
    open: usize,
    parts: Vec<(usize, usize)>,
    end: usize,
}

impl Parser {
    /// How many patterns without braces `pattern` stands for.
    fn expansions(&self, pattern: &[u8]) -> usize {
        let Some(braces) = self.braces(pattern) else { return 1 };
        let parts: usize =
            braces.parts.iter().map(|(start, end)| self.expansions(&pattern[*start..*end])).sum();
        parts.saturating_mul(self.expansions(&pattern[braces.end..]))
    }

    fn alternatives(&self, pattern: &[u8]) -> Regex {
        let Some(braces) = self.braces(pattern) else { return self.sequence(pattern) };
        let (before, after) = (&pattern[..braces.open], &pattern[braces.end..]);
        let star_follows = match after.first() {
            Some(b'*') => true,
            Some(b'{') => after.contains(&b'*'),
            Some(_) | None => false,
        };
        let stars_near =
            before.last() == Some(&b'*') || star_follows || pattern[braces.open..braces.end].contains(&b'*');
        let parts = braces.parts.iter().map(|(start, end)| &pattern[*start..*end]);
        if stars_near {
            // A star may join one outside the braces, or look at the slash beside it: take each way for itself.
            return alternate(parts.map(|part| self.alternatives(&[before, part, after].concat())).collect());
        }
        let parts = alternate(parts.map(|part| self.alternatives(part)).collect());
        concat(vec![self.sequence(before), parts, self.alternatives(after)])
    }

    /// The first `{` that is closed.
    fn braces(&self, pattern: &[u8]) -> Option<Braces> {
        let mut stack: Vec<Braces> = Vec::new();
        let mut found: Option<Braces> = None;
        let mut at = 0;
        while at < pattern.len() {
            match pattern[at] {
                b'\\' => at += 1,
                b'[' => at += self.class_end(pattern, at).map_or(0, |end| end - at),
                b'{' => stack.push(Braces { open: at, parts: vec![(at + 1, at + 1)], end: 0 }),
                b',' => {
                    if let Some(open) = stack.last_mut() {
                        close_part(open, at);
                        open.parts.push((at + 1, at + 1));
                    }
                }
                b'}' => {
                    if let Some(mut group) = stack.pop() {
                        close_part(&mut group, at);
                        group.end = at + 1;
                        if found.as_ref().is_none_or(|found| group.open < found.open) {
                            found = Some(group);
                        }
                        if stack.is_empty() {
                            return found;
                        }
                    }
                }
                _ => {}
            }
            at += 1;
        }
        found
    }

    /// Where the `]` stands that closes the `[` at `open`.
    fn class_end(&self, pattern: &[u8], open: usize) -> Option<usize> {
        let mut at = open + 1;
        if pattern.get(at).is_some_and(|b| self.negates(*b)) {
            at += 1;
        }
        // A bracket that stands first is a member.
        if pattern.get(at) == Some(&b']') {
            at += 1;
        }
        while at < pattern.len() {
            match pattern[at] {
                b']' => return Some(at),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        None
    }

    fn negates(&self, byte: u8) -> bool {
        byte == b'!' || byte == b'^' && self.flavour != Flavour::Path
    }

    /// A pattern without braces that mean anything.
    fn sequence(&self, pattern: &[u8]) -> Regex {
        let not_slash = {
            let mut set = ByteSet::EMPTY.complement();
            set.remove(b'/');
            set
        };
        let mut parts: Vec<Regex> = Vec::new();
        let mut at = 0;
        while at < pattern.len() {
            let rest = &pattern[at..];
            let after_slash = at > 0 && pattern[at - 1] == b'/';
            let component = after_slash || at == 0 && self.flavour != Flavour::Path;
            match rest {
                [b'*', b'*', b'/', ..] if component => {
                    parts.push(optional(concat(vec![Regex::any(), byte(b'/')])));
                    at += 3;
                }
                [b'*', b'*'] if component && self.flavour != Flavour::Path => {
                    if self.flavour == Flavour::GoGlob && parts.last() == Some(&byte(b'/')) {
                        parts.pop();
                        parts.push(optional(concat(vec![byte(b'/'), Regex::any()])));
                    } else {
                        parts.push(Regex::any());
                    }
                    at += 2;
                }
                [b'*', b'*', ..] if self.flavour == Flavour::Path => {
                    parts.push(Regex::any());
                    at += 2;
                }
                [b'*', ..] => {
                    parts.push(any_of(not_slash));
                    at += 1;
                }
                [b'?', ..] => {
                    parts.push(not_slash.regex());
                    at += 1;
                }
                [b'\\', escaped, ..] => {
                    parts.push(byte(*escaped));
                    at += 2;
                }
                [b'[', ..] => match self.class_end(pattern, at) {
                    Some(end) => {
                        parts.push(self.class(&pattern[at + 1..end]));
                        at = end + 1;
                    }
                    None => {
                        parts.push(byte(b'['));
                        at += 1;
                    }
                },
                [plain, ..] => {
                    parts.push(byte(*plain));
                    at += 1;
                }
                [] => {}
            }
        }
        concat(parts)
    }

    fn class(&self, members: &[u8]) -> Regex {
        let (negated, mut rest) = match members.split_first() {
            Some((first, rest)) if self.negates(*first) => (true, rest),
            _ => (false, members),
        };
        let mut set = ByteSet::EMPTY;
        while let Some((low, tail)) = member(rest) {
            rest = tail;
            let high = match rest.split_first() {
                Some((b'-', tail)) => member(tail),
                _ => None,
            };
            match high {
                Some((high, tail)) => {
                    rest = tail;
                    if low <= high {
                        set.insert(low, high);
                    }
                }
                None => set.insert(low, low),
            }
        }
        if negated {
            set = set.complement();
        }
        // Both Casbins look for the slash at their wildcards only.
        if self.flavour == Flavour::Path {
            set.remove(b'/');
        }
        set.regex()
    }
}

fn close_part(group: &mut Braces, at: usize) {
    if let Some(part) = group.parts.last_mut() {
        part.1 = at;
    }
}

/// The first member of a class, an escape undone, and what follows it.
fn member(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', escaped, rest @ ..] => Some((*escaped, rest)),
        [plain, rest @ ..] => Some((*plain, rest)),
        [] => None,
    }
}
