//! Large policies made by a rule, for tests and benchmarks of how the compiler grows.
//!
//! One seed gives one policy, on any machine.

use std::fmt::{self, Write as _};

/// What the rules of a policy speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Files in a tree of directories, exactly as named: what a list of files that somebody wrote down looks like.
    Tree,
    /// Files whose names have nothing in common: nothing but their first bytes can be shared.
    Random,
    /// As [`Form::Tree`], but so many rules of a thousand are patterns.
    Mixed(u32),
    /// Patterns that multiply: each keeps its place beside all others.
    Adversarial,
}

impl Form {
    /// The form called `name`: `tree`, `random`, `mixed-N` with N a thousandth, `adversarial`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "tree" => Some(Self::Tree),
            "random" => Some(Self::Random),
            "adversarial" => Some(Self::Adversarial),
            other => Some(Self::Mixed(other.strip_prefix("mixed-")?.parse().ok()?)),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree => f.write_str("tree"),
            Self::Random => f.write_str("random"),
            Self::Mixed(patterns) => write!(f, "mixed-{patterns}"),
            Self::Adversarial => f.write_str("adversarial"),
        }
    }
}

/// A policy to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synthetic {
    /// What its rules speak of.
    pub form: Form,
    /// How many it has.
    pub rules: usize,
    /// How many programs it names.
    pub subjects: usize,
    /// What else it depends on.
    pub seed: u64,
}

impl Synthetic {
    /// The policy of this form and size with three programs.
    #[must_use]
    pub fn new(form: Form, rules: usize) -> Self {
        Self { form, rules, subjects: 3, seed: 1 }
    }

    /// Its text, in the one-file form.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.model().to_owned();
        for line in self.lines() {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// Everything but the rules, ending with the header above them.
    #[must_use]
    pub fn model(&self) -> &'static str {
        match self.form {
            Form::Tree | Form::Random => {
                "[request_definition]\nr = sub, obj, act\n\n[policy_definition]\np = sub, obj, act, eft\n\n\
                 [policy_effect]\ne = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n\n\
                 [matchers]\nm = r.sub == p.sub && r.obj == p.obj && r.act == p.act\n\n[policy]\n"
            }
            Form::Mixed(_) | Form::Adversarial => {
                "[request_definition]\nr = sub, obj, act\n\n[policy_definition]\np = sub, obj, act, eft\n\n\
                 [policy_effect]\ne = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n\n\
                 [matchers]\nm = r.sub == p.sub && pathMatch(r.obj, p.obj) && r.act == p.act\n\n[policy]\n"
            }
        }
    }

    /// Its rules, line by line.
    pub fn lines(&self) -> impl Iterator<Item = String> + use<> {
        let Self { form, rules, subjects, seed } = *self;
        let mut random = Random(seed);
        (0..rules).map(move |rule| {
            let mut line = format!("p, /usr/bin/prog{}, ", rule % subjects.max(1));
            let (dir, sub) = (rule % 100, rule / 100 % 100);
            let written = match form {
                Form::Mixed(patterns) if random.below(1000) < u64::from(patterns) => {
                    write!(line, "/srv/data/d{dir}/sub{sub}/*{rule}.txt")
                }
                Form::Tree | Form::Mixed(_) => write!(line, "/srv/data/d{dir}/sub{sub}/file{rule}"),
                Form::Random => {
                    line.push('/');
                    (0..29).for_each(|_| line.push(char::from(b'a' + random.byte_below(26))));
                    write!(line, "{rule}")
                }
                Form::Adversarial => write!(line, "/**/a{rule}*/**/b{rule}*/**"),
            };
            written.expect("INVARIANT: writing to a string succeeds");
            line.push_str(", read, allow");
            line
        })
    }
}

/// `SplitMix64`: numbers that look random and are the same everywhere.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn byte_below(&mut self, bound: u8) -> u8 {
        u8::try_from(self.below(bound.into())).expect("INVARIANT: below a byte")
    }
}
