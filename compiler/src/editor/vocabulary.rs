//! The words of the language with what they mean, for hover, completion and the editor grammar.
//!
//! Operations and groups come from the operation table; the other lists are compared with the ones the model stage
//! reads by (see the tests), so that none can go stale.

use boesfs_abi::op::{Coverage, GROUPS, OPS, Op, OpSpec};
use boesfs_grammar::SectionKind;

/// One word and what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As it is written.
    pub word: &'static str,
    /// What it means: a sentence or two.
    pub doc: &'static str,
}

const fn entry(word: &'static str, doc: &'static str) -> Entry {
    Entry { word, doc }
}

/// What a section holds.
#[must_use]
pub fn section(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Request => "The fields of a request that the matcher may look at: `r = sub, obj, act`.",
        SectionKind::Policy => "The columns of the rules: `p = sub, obj, act, eft`. Their names are free.",
        SectionKind::Role => {
            "Role relations: `g = _, _`, with a domain `g = _, _, _`; action roles: `a = _, _; _, _`."
        }
        SectionKind::Effect => "How the rules that match become one decision: `e = …`.",
        SectionKind::Matchers => "The condition under which a rule matches a request: `m = …`.",
        SectionKind::Rules => {
            "The rules (`p, …`), roles (`g, member, role`) and action roles (`a, role, operation, (tuple)`)."
        }
        SectionKind::Options => {
            "Settings of the policy: `subject`, `use`, `moves`, `compat`, `kill_after`, `anonymous_exec`."
        }
    }
}

/// The fields of a request.
pub const REQUEST_FIELDS: [Entry; 8] = [
    entry("sub", "The program that asks: its path, which also stands for its base name and its roles."),
    entry("obj", "The object: an absolute path in the sandbox's own view."),
    entry("act", "The operation, such as `read` or `unlink`."),
    entry("args", "The operation's arguments: a whole tuple as `r.args`, one of them as `r.args.NAME`."),
    entry("uid", "The caller's user id for files, as seen outside the sandbox."),
    entry("gid", "The caller's group id for files, as seen outside the sandbox."),
    entry("kind", "What the object is: `file`, `dir`, `symlink`, `fifo`, `socket`, `block` or `char`."),
    entry("dom", "The sandbox's name (Casbin's domain)."),
];

/// The functions of a matcher beside the role relations.
pub const FUNCTIONS: [Entry; 11] = [
    entry(
        "keyMatch",
        "`keyMatch(r.obj, pattern)`: Casbin's; `*` stands for any rest of the path, what follows it is ignored.",
    ),
    entry(
        "keyMatch2",
        "`keyMatch2(r.obj, pattern)`: Casbin's; `:name` stands for one component, `/*` for any rest. `.` and `+` are live.",
    ),
    entry(
        "keyMatch3",
        "`keyMatch3(r.obj, pattern)`: Casbin's; `{name}` stands for one component, `/*` for any rest.",
    ),
    entry(
        "keyMatch5",
        "`keyMatch5(r.obj, pattern)`: as `keyMatch3`, and what follows `?` in the path does not count.",
    ),
    entry("globMatch", "`globMatch(r.obj, pattern)`: Casbin's globs; `*` and `?` stay inside a component."),
    entry(
        "regexMatch",
        "`regexMatch(r.obj, pattern)`: a regular expression, unanchored: write `^…$` for the whole path.",
    ),
    entry(
        "pathMatch",
        "`pathMatch(r.obj, pattern)`: `*` and `?` stay inside a component, `**` crosses, `[a-z]`, `{a,b}`, `\\` escapes; matches the whole path. `/a/**` is strictly below `/a`.",
    ),
    entry("under", "`under(r.obj, dir)`: strictly below the directory, by whole components."),
    entry("within", "`within(r.obj, dir)`: the directory itself or below it, by whole components."),
    entry("eval", "`eval(p.column)`: the column holds a condition, which is read as part of the matcher."),
    entry(
        "a",
        "`a(r.act, p.act; r.args, p.args)`: the operation and its tuple are in the action role of the rule.",
    ),
];

/// What a role relation does in a matcher.
pub const ROLE_RELATION: &str =
    "`g(r.sub, p.sub)`: the first is the second or has it as a role, directly or through other roles.";

/// The policy effects.
pub const EFFECTS: [Entry; 9] = [
    entry("some(where (p.eft == allow))", "Allowed if some rule that matches allows; else denied."),
    entry("!some(where (p.eft == deny))", "Denied if some rule that matches denies; else allowed."),
    entry(
        "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
        "Allowed if some rule that matches allows and none denies; else denied.",
    ),
    entry(
        "priority(p.eft) || deny",
        "The first rule that matches decides, by the `priority` column or else in file order; denied if there is none.",
    ),
    entry(
        "priority(p.eft) || allow",
        "The first rule that matches decides, by the `priority` column or else in file order; allowed if there is none.",
    ),
    entry(
        "subjectPriority(p.eft) || deny",
        "Of the rules that match, the one whose subject stands lowest in the role tree decides; denied if there is none.",
    ),
    entry(
        "nearest(some(where (p.eft == allow)))",
        "Only the rules at the nearest entry of the path count: allowed if one of them allows.",
    ),
    entry(
        "nearest(!some(where (p.eft == deny)))",
        "Only the rules at the nearest entry of the path count: denied if one of them denies.",
    ),
    entry(
        "nearest(some(where (p.eft == allow)) && !some(where (p.eft == deny)))",
        "Only the rules at the nearest entry of the path count: allowed if one of them allows and none denies.",
    ),
];

/// The words effects are made of.
pub const EFFECT_WORDS: [Entry; 5] = [
    entry("some", "`some(where (…))`: at least one of the rules that match."),
    entry("where", "The condition on the rules that match."),
    entry("priority", "The first rule that matches decides."),
    entry("subjectPriority", "The rule with the most specific subject decides."),
    entry(
        "nearest",
        "Only the rules at the nearest entry of the path count: those on the path itself, else on the deepest directory above it.",
    ),
];

/// The options, each with its values (empty: free).
pub const OPTIONS: [(Entry, &[Entry]); 6] = [
    (
        entry("subject", "What `r.sub` is."),
        &[
            entry("exe", "The executable the calling process runs now."),
            entry("entry", "The program the sandbox was started with, for all its descendants."),
        ],
    ),
    (entry("use", "The policy type to compile, such as `p2`; the others are only checked."), &[]),
    (
        entry("moves", "Whether link and rename may give rights to what is moved."),
        &[
            entry("no-gain", "A move by which anybody would gain a right is denied."),
            entry("judged", "Only the operations themselves are judged."),
        ],
    ),
    (
        entry("compat", "Which Casbin to imitate where they differ."),
        &[entry("casbin-rs", "casbin-rs."), entry("casbin-go", "Go Casbin.")],
    ),
    (entry("kill_after", "The sandbox is killed at this many denials."), &[]),
    (
        entry("anonymous_exec", "Running a file that has no name, such as a memfd."),
        &[entry("deny", "It is denied."), entry("allow", "It is allowed.")],
    ),
];

/// The keys of `#@` annotations, each with its values (empty: free).
pub const ANNOTATIONS: [(Entry, &[Entry]); 6] = [
    (entry("id", "The rule's name in events, explanations and tests."), &[]),
    (
        entry("level", "How grave a denial by this rule is."),
        &[
            entry("event", "Worth recording."),
            entry("warning", "Worth a look."),
            entry("alert", "Somebody should know now."),
        ],
    ),
    (
        entry("audit", "When this rule's decisions are recorded."),
        &[entry("deny", "When it denies."), entry("always", "When it decides."), entry("never", "Never.")],
    ),
    (
        entry("errno", "The error the program sees."),
        &[
            entry("EACCES", "Permission denied: the usual answer."),
            entry("EPERM", "Operation not permitted."),
            entry("ENOENT", "No such file: the usual answer to `lookup`."),
            entry("EROFS", "Read-only file system."),
        ],
    ),
    (entry("reason", "Why the rule is there, for people."), &[]),
    (entry("allow", "Silences one lint on this rule."), &[]),
];

/// The words of an action that are neither operation nor group.
pub const ACTION_WORDS: [Entry; 3] = [
    entry("*", "Every operation."),
    entry("any", "Every operation, as `*`."),
    entry("none", "No operation: the entry exists and decides nothing else."),
];

/// Usual names of columns, with what they hold.
pub const COLUMNS: [Entry; 6] = [
    entry("sub", "The program or role the rule speaks of."),
    entry("obj", "The path or pattern the rule speaks of."),
    entry("act", "The operations the rule speaks of: words and groups, separated by blanks."),
    entry("args", "The arguments the rule speaks of, as a tuple."),
    entry("eft", "What the rule does: `allow` or `deny`."),
    entry("priority", "The rule's place in the order, smaller first; for the effect `priority`."),
];

/// What a line of the rules begins with.
pub const LINE_TYPES: [Entry; 3] = [
    entry("p", "A rule, with the columns of `[policy_definition]`."),
    entry("g", "`g, member, role`: the member has the role."),
    entry("a", "`a, role, operation, (tuple)`: the action role holds the operation with these arguments."),
];

/// The entry called `word` in `entries`.
#[must_use]
pub fn find<'e>(entries: &'e [Entry], word: &str) -> Option<&'e Entry> {
    entries.iter().find(|entry| entry.word == word)
}

/// An operation with its tuple and how the planes enforce it, as Markdown.
#[must_use]
pub fn operation(op: Op) -> String {
    let spec = op.spec();
    let mut text = format!("**`{}`**: {}\n\n{}", spec.name, spec.doc, arguments(spec));
    for (plane, coverage) in [("lsm", spec.lsm), ("fuse", spec.fuse)] {
        let how = match coverage {
            Coverage::Exact => "exact".to_owned(),
            Coverage::Approximate(how) => format!("never weaker: {how}"),
            Coverage::Partial(how) => format!("in part: {how}"),
            Coverage::Unenforceable(why) => format!("not enforced: {why}"),
        };
        text.push_str(&format!("\n- {plane} plane: {how}"));
    }
    text
}

/// The tuple of an operation in words.
fn arguments(spec: &OpSpec) -> String {
    if spec.args.is_empty() {
        return "It has no arguments.\n".to_owned();
    }
    let names: Vec<&str> = spec.args.iter().map(|arg| arg.name).collect();
    let mut text = format!("Its tuple is `({})`:\n", names.join(", "));
    for arg in spec.args {
        text.push_str(&format!("\n- `{}`: {}", arg.name, arg.doc));
    }
    text + "\n"
}

/// A group with its operations, as Markdown.
#[must_use]
pub fn group(name: &str) -> Option<String> {
    let (name, ops) = GROUPS.iter().find(|(known, _)| *known == name)?;
    let members: Vec<String> =
        OPS.iter().filter(|spec| ops.contains(spec.op)).map(|spec| format!("`{}`", spec.name)).collect();
    Some(format!("**`{name}`**: {}", members.join(" ")))
}

/// An argument with the operations that carry it, as Markdown.
#[must_use]
pub fn argument(name: &str) -> Option<String> {
    let mut text = String::new();
    for spec in &OPS {
        for arg in spec.args.iter().filter(|arg| arg.name == name) {
            text.push_str(&format!("\n- of `{}`: {}", spec.name, arg.doc));
        }
    }
    (!text.is_empty()).then(|| format!("**`r.args.{name}`**\n{text}"))
}

/// The names of all arguments of all operations, each once.
#[must_use]
pub fn argument_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = OPS.iter().flat_map(|spec| spec.args).map(|arg| arg.name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::words;

    fn sorted<'w>(names: impl IntoIterator<Item = &'w str>) -> Vec<&'w str> {
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_words_are_those_the_model_reads_by() {
        let functions = FUNCTIONS.iter().map(|entry| entry.word).filter(|word| !["eval", "a"].contains(word));
        assert_eq!(sorted(functions), sorted(words::functions()));
        assert_eq!(sorted(OPTIONS.iter().map(|(entry, _)| entry.word)), sorted(words::options()));
        assert_eq!(sorted(ANNOTATIONS.iter().map(|(entry, _)| entry.word)), sorted(words::annotations()));
    }

    #[test]
    fn every_operation_and_argument_has_words() {
        for spec in &OPS {
            let text = operation(spec.op);
            assert!(text.contains(spec.doc) && spec.args.iter().all(|arg| text.contains(arg.doc)), "{text}");
        }
        assert!(argument_names().iter().all(|name| argument(name).is_some()));
        assert!(GROUPS.iter().all(|(name, _)| group(name).is_some()));
    }
}
