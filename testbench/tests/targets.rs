//! What `check --target` refuses is what `boesfs run` refuses, and what rules accept both take.

use boesfs_abi::image::decode;
use boesfs_abi::plane::Plane;
use boesfs_compiler::model::Settings;
use boesfs_compiler::pipeline::{Limits, Outcome, Stage, run};
use boesfs_grammar::Source;
use boesfs_runtime::policy::check_coverage;

const MODEL: &str = "\
[request_definition]
r = sub, obj, act, args

[policy_definition]
p = sub, obj, act, args, eft

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = r.sub == p.sub && pathMatch(r.obj, p.obj) && r.act == p.act && r.args == p.args

[policy]
p, /bin/a, \"/srv{,/**}\", @base @read, *, allow
";

fn compile(rules: &str, targets: &[Plane]) -> Outcome {
    let settings = Settings { targets: targets.to_vec(), ..Settings::default() };
    let source = Source { name: "policy.conf".to_owned(), bytes: format!("{MODEL}{rules}").into_bytes() };
    run(vec![source], &settings, &Limits::default(), Stage::LAST)
}

/// Whether `boesfs run` refuses the rules on `plane`; otherwise how many warnings it has.
fn refused(rules: &str, plane: Plane) -> Result<usize, String> {
    let outcome = compile(rules, &[]);
    let packed = outcome.packed.unwrap_or_else(|| panic!("{rules}: {:?}", outcome.diagnostics));
    let stripped = boesfs_abi::image::strip(&packed.file).expect("an image");
    let kept = check_coverage(&packed.image, plane).map(|warnings| warnings.len());
    let bare = check_coverage(&decode(&stripped).expect("an image"), plane).map(|warnings| warnings.len());
    assert_eq!(kept.is_err(), bare.is_err(), "{rules}: stripping makes a difference");
    kept.map_err(|error| error.to_string())
}

/// The codes of findings about planes.
fn said(rules: &str, targets: &[Plane]) -> Vec<&'static str> {
    let outcome = compile(rules, targets);
    let codes = outcome.diagnostics.iter().map(|diagnostic| diagnostic.code);
    codes.filter(|code| ["W0501", "W0502"].contains(code)).collect()
}

/// Rules, and whether the lsm plane refuses them.
const CASES: [(&str, bool); 14] = [
    ("", false),
    ("p, /bin/a, /srv/x, write, *, deny\n", false),
    ("p, /bin/a, /srv/x, fsync, *, deny\n", true),
    ("p, /bin/a, /srv/x, llseek fsync, *, deny\n", true),
    ("p, /bin/a, /srv/x, llseek, (*, 2), deny\n", true),
    ("p, /bin/a, /srv/x, @use, *, deny\n", false),
    ("p, /bin/a, /srv/x, lookup fsync, *, deny\n", false),
    ("#@ allow=unenforceable-rule\np, /bin/a, /srv/x, fsync, *, deny\n", false),
    (
        "#@ allow=weaker-on-a-plane\np, /bin/a, /srv/x, fsync, *, deny\np, /bin/a, /srv/y, fsync, *, deny\n",
        true,
    ),
    ("#@ allow=weaker-on-a-plane\np, /bin/a, /srv/x, fsync, *, deny\n", false),
    // What stands behind a rule that accepts is not lost.
    (
        "#@ allow=unenforceable-rule\np, /bin/a, /srv/**, fsync, *, deny\np, /bin/a, /srv/x, fsync write, *, deny\n",
        true,
    ),
    (
        "p, /bin/a, /srv/x, fsync write, *, deny\n#@ allow=unenforceable-rule\np, /bin/a, /srv/**, fsync, *, deny\n",
        true,
    ),
    (
        "#@ allow=unenforceable-rule\np, /bin/a, /srv/**, llseek, *, deny\np, /bin/a, /srv/x, llseek, (*, 2), deny\n",
        true,
    ),
    (
        "#@ allow=unenforceable-rule\np, /bin/a, /srv/**, fsync, *, deny\np, /bin/a, /srv/x, @use, *, deny\n",
        false,
    ),
];

#[test]
fn check_refuses_what_run_refuses() {
    for (rules, expected) in CASES {
        for plane in Plane::ALL {
            let expected = expected && plane == Plane::Lsm;
            assert_eq!(refused(rules, plane).is_err(), expected, "{plane}: {rules}");
            let outcome = compile(rules, &[plane]);
            assert_eq!(!outcome.is_sound(), expected, "{plane}: {rules}{:?}", outcome.diagnostics);
            assert_eq!(said(rules, &[plane]).contains(&"W0501"), expected, "{plane}: {rules}");
        }
        assert_eq!(said(rules, &Plane::ALL).is_empty(), !expected, "{rules}");
        assert_eq!(said(rules, &[]).contains(&"W0502"), expected, "{rules}");
    }
}

#[test]
fn what_rules_accept_is_warned_of() {
    let rules = "#@ allow=unenforceable-rule\np, /bin/a, /srv/x, fsync, *, deny\n";
    assert_eq!(refused(rules, Plane::Lsm), Ok(1));
    assert_eq!(refused(rules, Plane::Fuse), Ok(0));
    assert_eq!(said(rules, &[]), Vec::<&str>::new());
}
