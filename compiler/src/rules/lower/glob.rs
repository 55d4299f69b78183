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
    /// `globMatch` as casbin-rs has it: nothing escapes in a class, and no part of a brace is empty.
    RsGlob,
    /// `globMatch` as Go Casbin has it: `/a/**` matches `/a`, and what is malformed to others may be itself.
    GoGlob,
}

/// How many braces a pattern may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BraceLimits {
    /// How many braces one pattern may hold.
    pub braces: usize,
    /// How many patterns without braces one may stand for.
    pub patterns: usize,
}

impl BraceLimits {
    /// For patterns that are known to keep the limits.
    pub(super) const NONE: Self = Self { braces: usize::MAX, patterns: usize::MAX };
}

impl Default for BraceLimits {
    fn default() -> Self {
        Self { braces: 256, patterns: 1024 }
    }
}

/// Why a pattern has no language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is none, or cannot be compiled.
    #[error("{0}")]
    Wrong(String),
    /// It holds too many braces.
    #[error("it has {needed} braces, the limit is {limit}")]
    Braces {
        /// How many.
        needed: usize,
        /// [`BraceLimits::braces`]
        limit: usize,
    },
    /// Its braces stand for too many patterns.
    #[error("its braces stand for {needed} patterns, the limit is {limit}")]
    Patterns {
        /// How many.
        needed: usize,
        /// [`BraceLimits::patterns`]
        limit: usize,
    },
}

/// The language of `pattern`. The error says why there is none.
pub(super) fn regex(pattern: &[u8], flavour: Flavour, limits: BraceLimits) -> Result<Regex, PatternError> {
    let needed = pattern.iter().filter(|b| **b == b'{').count();
    if needed > limits.braces {
        return Err(PatternError::Braces { needed, limit: limits.braces });
    }
    let parser = Parser { flavour };
    parser.well_formed(pattern).map_err(PatternError::Wrong)?;
    let needed = parser.expansions(pattern);
    if needed > limits.patterns {
        return Err(PatternError::Patterns { needed, limit: limits.patterns });
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
    /// Whether everything in `pattern` that begins or ends something does; the error says what does not.
    fn well_formed(&self, pattern: &[u8]) -> Result<(), String> {
        let mut open: Vec<usize> = Vec::new();
        let mut at = 0;
        while at < pattern.len() {
            match pattern[at] {
                b'\\' if at + 1 == pattern.len() => return Err("nothing follows its last `\\`".to_owned()),
                b'\\' => at += 1,
                b'[' => {
                    let shown = || String::from_utf8_lossy(&pattern[at..]).into_owned();
                    let Some(end) = self.class_end(pattern, at) else {
                        return Err(format!("the `[` of `{}` is not closed", shown()));
                    };
                    if self.flavour != Flavour::GoGlob
                        && let Some((low, high)) = self.empty_range(&pattern[at + 1..end])
                    {
                        return Err(format!("the range `{}-{}` is empty", char::from(low), char::from(high)));
                    }
                    at = end;
                }
                b'{' => open.push(at),
                b'}' if open.pop().is_none() && self.flavour != Flavour::GoGlob => {
                    return Err("a `}` in it closes nothing: `\\}` is the character".to_owned());
                }
                _ => {}
            }
            at += 1;
        }
        match open.first() {
            Some(at) => {
                Err(format!("the `{{` of `{}` is not closed", String::from_utf8_lossy(&pattern[*at..])))
            }
            None => Ok(()),
        }
    }

    /// A range of a class that holds no byte.
    fn empty_range(&self, members: &[u8]) -> Option<(u8, u8)> {
        self.ranges(members).1.into_iter().find(|(low, high)| low > high)
    }

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
        let parts = self.parts(&braces, pattern);
        if stars_near {
            // A star may join one outside the braces, or look at the slash beside it: take each way for itself.
            let ways = parts.iter().map(|part| self.alternatives(&[before, part, after].concat()));
            return alternate(ways.collect());
        }
        let parts = alternate(parts.iter().map(|part| self.alternatives(part)).collect());
        concat(vec![self.sequence(before), parts, self.alternatives(after)])
    }

    /// The parts of `braces`. casbin-rs leaves empty ones out, unless there is no other.
    fn parts<'p>(&self, braces: &Braces, pattern: &'p [u8]) -> Vec<&'p [u8]> {
        let mut parts: Vec<&[u8]> = braces.parts.iter().map(|(start, end)| &pattern[*start..*end]).collect();
        if self.flavour == Flavour::RsGlob && parts.iter().any(|part| !part.is_empty()) {
            parts.retain(|part| !part.is_empty());
        }
        parts
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
        // A bracket that stands first is a member, but to Go Casbin, which refuses it.
        if pattern.get(at) == Some(&b']') {
            if self.flavour == Flavour::GoGlob {
                return None;
            }
            at += 1;
        }
        while at < pattern.len() {
            match pattern[at] {
                b']' => return Some(at),
                b'\\' if self.flavour != Flavour::RsGlob => at += 2,
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
                [b'*', b'*', b'/']
                    if self.flavour == Flavour::GoGlob && parts.last() == Some(&byte(b'/')) =>
                {
                    parts.pop();
                    let below = optional(concat(vec![Regex::any(), byte(b'/')]));
                    parts.push(optional(concat(vec![byte(b'/'), below])));
                    at += 3;
                }
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
                [b'[', ..] => {
                    let end = self.class_end(pattern, at).expect("INVARIANT: the pattern is well formed");
                    parts.push(self.class(&pattern[at + 1..end]));
                    at = end + 1;
                }
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
        let (negated, ranges) = self.ranges(members);
        let mut set = ByteSet::EMPTY;
        ranges.iter().filter(|(low, high)| low <= high).for_each(|(low, high)| set.insert(*low, *high));
        if negated {
            set = set.complement();
        }
        // Both Casbins look for the slash at their wildcards only.
        if self.flavour == Flavour::Path {
            set.remove(b'/');
        }
        set.regex()
    }

    /// Whether a class is negated, and its ranges.
    fn ranges(&self, members: &[u8]) -> (bool, Vec<(u8, u8)>) {
        let (negated, mut rest) = match members.split_first() {
            Some((first, rest)) if self.negates(*first) => (true, rest),
            _ => (false, members),
        };
        let mut ranges = Vec::new();
        while let Some((low, tail)) = self.member(rest) {
            rest = tail;
            let high = match rest.split_first() {
                Some((b'-', tail)) => self.member(tail),
                _ => None,
            };
            if let Some((_, tail)) = high {
                rest = tail;
            }
            ranges.push((low, high.map_or(low, |(high, _)| high)));
        }
        (negated, ranges)
    }

    /// The first member of a class, an escape undone, and what follows it.
    fn member<'m>(&self, text: &'m [u8]) -> Option<(u8, &'m [u8])> {
        match text {
            [b'\\', escaped, rest @ ..] if self.flavour != Flavour::RsGlob => Some((*escaped, rest)),
            [plain, rest @ ..] => Some((*plain, rest)),
            [] => None,
        }
    }
}

fn close_part(group: &mut Braces, at: usize) {
    if let Some(part) = group.parts.last_mut() {
        part.1 = at;
    }
}
