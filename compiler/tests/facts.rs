//! The facts of states and policies, against all paths there are.
//!
//! Small policies are drawn; every path of few names is asked of the reference, by everybody and about every operation. What an
//! image says of the subtree below a path, of the rules a path is a prefix of, and of the operations that can be denied has to be
//! what is seen then.

use std::collections::{BTreeSet, HashMap};

use boesfs_abi::hooks::{HOOKS, Need};
use boesfs_abi::image::ValidImage;
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::verdict::Verdict;
use boesfs_compiler::Request;
use boesfs_compiler::image::Below;
use boesfs_compiler::model::{Allow, Model, Settings};
use boesfs_compiler::pipeline::{Limits, Stage, run};
use boesfs_compiler::reference::Reference;
use boesfs_grammar::Source;

const MODEL: &str = "\
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act, eft
[policy_effect]
e = EFFECT
[matchers]
m = (r.sub == p.sub || p.sub == \"*\") && pathMatch(r.obj, p.obj) && r.act == p.act
[policy]
";
const EFFECTS: [&str; 2] =
    ["!some(where (p.eft == deny))", "some(where (p.eft == allow)) && !some(where (p.eft == deny))"];
const SUBJECTS: [&str; 2] = ["/bin/a", "/bin/b"];
/// Names of paths; patterns are made of these too.
const NAMES: [&str; 4] = ["a", "b", "ab", "x"];
/// How many names a path has at most: two more than a pattern, so that all that a pattern tells apart below a path is seen.
const DEPTH: usize = 4;
const OPS: [Op; 4] = [Op::Read, Op::Unlink, Op::Getattr, Op::Lookup];
const POLICIES: usize = 60;

/// A fixed multiplicative walk.
struct Draw(u64);

impl Draw {
    fn of<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        items[usize::try_from(self.0 >> 33).unwrap_or(0) % items.len()]
    }
}

fn policy(draw: &mut Draw) -> String {
    let mut text = MODEL.replace("EFFECT", draw.of(&EFFECTS));
    let names = ["a", "b", "ab", "*", "a*", "**"];
    for _ in 0..draw.of(&["1", "22", "333"]).len() {
        let mut path = format!("/{}", draw.of(&names));
        if !draw.of(&["", "second"]).is_empty() {
            path = format!("{path}/{}", draw.of(&names));
        }
        let (sub, act) = (draw.of(&["*", "/bin/a"]), draw.of(&["read", "unlink", "getattr", "lookup"]));
        let eft = draw.of(&["deny", "deny", "allow"]);
        text.push_str(&format!("p, {sub}, {path}, {act}, {eft}\n"));
    }
    text
}

/// Every path of `DEPTH` names at most.
fn paths() -> Vec<String> {
    let mut paths = vec!["/".to_owned()];
    let mut last = vec![String::new()];
    for _ in 0..DEPTH {
        last = last.iter().flat_map(|path| NAMES.map(|name| format!("{path}/{name}"))).collect();
        paths.extend_from_slice(&last);
    }
    paths
}

fn is_below(path: &str, of: &str) -> bool {
    path.len() > of.len() && path.starts_with(of) && (of == "/" || path.as_bytes()[of.len()] == b'/')
}

/// What the reference answers at one path: for each subject and operation the verdict and the rule.
type Answers = Vec<(Verdict, Option<usize>)>;

fn ask(model: &Model, paths: &[String]) -> HashMap<String, Answers> {
    let reference = Reference::new(model);
    let answers = |path: &String| {
        let requests =
            SUBJECTS.iter().flat_map(|sub| OPS.map(|op| Request::new(sub.as_bytes(), path.as_bytes(), op)));
        let answers = requests.map(|request| {
            let decision = reference.decide(&request.expect("a request"));
            (decision.verdict, decision.rule)
        });
        (path.clone(), answers.collect())
    };
    paths.iter().map(answers).collect()
}

/// What of the operations that are asked somebody is denied.
fn denied<'a>(answers: impl IntoIterator<Item = &'a Answers>) -> OpSet {
    let of_one = |answers: &Answers| {
        let asked = SUBJECTS.iter().flat_map(|_| OPS).zip(answers);
        asked
            .filter(|(_, (verdict, _))| *verdict == Verdict::Deny)
            .fold(OpSet::EMPTY, |ops, (op, _)| ops.with(op))
    };
    answers.into_iter().fold(OpSet::EMPTY, |ops, answers| ops.union(of_one(answers)))
}

fn facts_of_states(image: &ValidImage, answers: &HashMap<String, Answers>, text: &str) -> [usize; 3] {
    let mut seen = [0; 3];
    // Deep enough that all a pattern tells apart lies below.
    for path in answers.keys().filter(|path| path.matches('/').count() <= DEPTH - 2) {
        let own = &answers[path];
        let below: Vec<&Answers> =
            answers.iter().filter(|(other, _)| is_below(other, path)).map(|(_, all)| all).collect();
        let fact = Below::of(image, path.as_bytes());
        // A denial by default is another than one by a rule: events say which.
        let verdicts = |answers: &Answers| -> Vec<_> {
            let by_rule = |verdict: Verdict, rule: Option<usize>| verdict == Verdict::Deny && rule.is_some();
            answers.iter().map(|(verdict, rule)| (*verdict, by_rule(*verdict, *rule))).collect()
        };
        let uniform = below.iter().all(|other| verdicts(other) == verdicts(own));
        assert_eq!(fact.uniform, uniform, "below {path} all is decided as there\n{text}");
        if image.is_sink(image.walk(image.path_start(), path.as_bytes())) {
            assert!(uniform, "{path} is a sink\n{text}");
            seen[1] += 1;
        }
        let rules = below.iter().flat_map(|answers| answers.iter().filter_map(|(_, rule)| *rule));
        let rules: BTreeSet<u32> = rules.map(|rule| u32::try_from(rule).expect("few rules")).collect();
        assert_eq!(fact.rules, rules, "rules that {path} is a prefix of\n{text}");
        let of_these = OpSet::of(&OPS);
        let may_deny = denied(below.iter().copied().chain([own]));
        assert_eq!(fact.may_deny.intersection(of_these), may_deny, "at {path} or below\n{text}");
        seen[0] += usize::from(uniform);
        seen[2] += usize::from(!rules.is_empty());
    }
    seen
}

/// A hook is needed exactly if somebody can be denied something that it guards, as far as these operations go.
fn facts_of_the_policy(image: &ValidImage, answers: &HashMap<String, Answers>, text: &str) {
    let asked = OpSet::of(&OPS);
    let may_deny = denied(answers.values());
    assert_eq!(image.may_deny().intersection(asked), may_deny, "{text}");
    assert_eq!(image.hides(), may_deny.contains(Op::Lookup), "{text}");
    let others = image.may_deny().difference(asked.with(Op::Lookup2));
    for hook in HOOKS {
        if let Need::AnyOf(ops) = hook.need
            && ops.intersection(others).is_empty()
        {
            let wanted = !ops.intersection(may_deny).is_empty();
            assert_eq!(hook.needed(image), wanted, "{}\n{text}", hook.program);
        }
    }
}

/// A program can be handed what another has opened: where opens are not the same for all, what goes through descriptors is
/// judged as well.
#[test]
fn what_not_all_programs_may_open_needs_hooks_for_descriptors() {
    let programs = [
        "boesfs_file_permission",
        "boesfs_path_truncate",
        "boesfs_file_truncate",
        "boesfs_file_ioctl",
        "boesfs_file_ioctl_compat",
    ];
    for (subject, wanted) in [("sub, ", true), ("", false)] {
        let matcher = if wanted { "r.sub == p.sub && " } else { "" };
        let rule = if wanted { "p, cat, /secret, open, deny" } else { "p, /secret, open, deny" };
        let text = format!(
            "[request_definition]\nr = {subject}obj, act\n[policy_definition]\np = {subject}obj, act, eft\n\
             [policy_effect]\ne = !some(where (p.eft == deny))\n\
             [matchers]\nm = {matcher}r.obj == p.obj && r.act == p.act\n[policy]\n{rule}\n"
        );
        let settings = Settings { allow: Allow::All, ..Settings::default() };
        let sources = vec![Source::new("policy.conf", text.as_bytes())];
        let outcome = run(sources, &settings, &Limits::default(), Stage::LAST);
        let Some(packed) = &outcome.packed else { panic!("{text}: {:?}", outcome.diagnostics) };
        for program in programs {
            let hook = HOOKS.iter().find(|hook| hook.program == program).expect("a hook of that name");
            assert_eq!(hook.needed(&packed.image), wanted, "{program} for\n{text}");
            assert_eq!(
                hook.needed_after_another(&packed.image),
                wanted,
                "{program} after another for\n{text}"
            );
        }
    }
}

#[test]
fn facts_are_what_all_paths_say() {
    let paths = paths();
    let mut draw = Draw(7);
    let mut seen = [0; 3];
    for _ in 0..POLICIES {
        let text = policy(&mut draw);
        let settings = Settings { allow: Allow::All, ..Settings::default() };
        let outcome = run(
            vec![Source::new("policy.conf", text.as_bytes())],
            &settings,
            &Limits::default(),
            Stage::LAST,
        );
        let (Some(model), Some(packed)) = (&outcome.model, &outcome.packed) else {
            panic!("{text}: {:?}", outcome.diagnostics);
        };
        let answers = ask(model, &paths);
        facts_of_the_policy(&packed.image, &answers, &text);
        let of_states = facts_of_states(&packed.image, &answers, &text);
        seen = std::array::from_fn(|fact| seen[fact] + of_states[fact]);
    }
    assert!(seen.iter().all(|count| *count > POLICIES), "too few states have the facts: {seen:?}");
}
