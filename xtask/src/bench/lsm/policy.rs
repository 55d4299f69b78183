//! The policies that are measured: a list of files that nobody may use, below whatever is measured and elsewhere.

use std::fmt::Write as _;

/// What the rules forbid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forbids {
    /// Using the files: reading, changing, replacing, running them.
    Use,
    /// Everything, so that the files are hidden and metadata is judged.
    Everything,
    /// Reads and writes of a length, which no open tells.
    Lengths,
}

impl Forbids {
    pub(super) const ALL: [Self; 3] = [Self::Use, Self::Everything, Self::Lengths];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Use => "use",
            Self::Everything => "everything",
            Self::Lengths => "lengths",
        }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Use => "@use, *, deny",
            Self::Everything => "*, *, deny",
            Self::Lengths => "read write, (>1048576), deny",
        }
    }
}

const MODEL: &str = "\
[request_definition]
r = obj, act, args

[policy_definition]
p = obj, act, args, eft

[policy_effect]
e = !some(where (p.eft == deny))

[matchers]
m = r.obj == p.obj && r.act == p.act && r.args == p.args

[policy]
";

/// Whether a file beside what is measured at `depth` is called by `number`th rule, and how.
fn path(number: usize, depths: &[usize]) -> String {
    let folder = |depth: usize| {
        let mut path = String::new();
        for level in 1..depth {
            let _ = write!(path, "/part-{level:03}");
        }
        path
    };
    match depths.get(number) {
        Some(depth) => format!("{}/secret.key", folder(*depth)),
        // Neighbours of what is measured, as many as a directory has.
        None if number.is_multiple_of(2) && number < 1000 => format!("{}/locked-{number:06}.key", folder(8)),
        None => format!("/srv/data/d{}/sub{}/file{number}", number % 100, number / 100 % 100),
    }
}

/// The policy with so many rules. Its first forbid a secret at each of `depths`.
pub(super) fn text(forbids: Forbids, rules: usize, depths: &[usize]) -> String {
    let mut text = MODEL.to_owned();
    for number in 0..rules {
        // Whoever measures tries first whether a secret can be opened.
        let rule = if number < depths.len() && forbids == Forbids::Lengths { Forbids::Use } else { forbids };
        // Writing to a string succeeds.
        let _ = writeln!(text, "p, {}, {}", path(number, depths), rule.rule());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rules_forbid_the_secrets() {
        let text = text(Forbids::Use, 3, &[1, 3]);
        let rules: Vec<&str> = text.lines().filter(|line| line.starts_with("p, ")).collect();
        assert_eq!(
            rules,
            [
                "p, /secret.key, @use, *, deny",
                "p, /part-001/part-002/secret.key, @use, *, deny",
                "p, /part-001/part-002/part-003/part-004/part-005/part-006/part-007/locked-000002.key, @use, *, deny",
            ]
        );
        let text = super::text(Forbids::Lengths, 2, &[1]);
        let rules: Vec<&str> = text.lines().filter(|line| line.starts_with("p, ")).collect();
        assert_eq!(rules[0], "p, /secret.key, @use, *, deny");
        assert!(rules[1].ends_with("read write, (>1048576), deny"), "{rules:?}");
    }
}
