//! The same image of the same rules: whatever the hash seeds, the threads beside, and the order of rules where it has no
//! meaning.
//!
//! Every map of the compiler draws its own seed: std's for each map and thread, hashbrown's from addresses and a count.

use std::num::NonZeroUsize;
use std::thread;

use boesfs_abi::image::{ValidImage, decode, strip};
use boesfs_compiler::automaton::Compiled;
use boesfs_compiler::image::pack;
use boesfs_compiler::jobs;
use boesfs_compiler::model::{Allow, Settings};
use boesfs_compiler::pipeline::{Limits, Stage, build, run};
use boesfs_compiler::validate::Effort;
use boesfs_grammar::Source;
use boesfs_testbench::synthetic::{Form, Synthetic};

const BUILDS: usize = 100;

/// The image of `text`.
fn image_of(text: &str) -> Vec<u8> {
    let settings = Settings { allow: Allow::All, ..Settings::default() };
    let source = Source::new("policy.conf", text.as_bytes().to_vec());
    let outcome = run(vec![source], &settings, &Limits::default(), Stage::Rules);
    assert!(outcome.is_sound(), "{:?}", outcome.diagnostics.first());
    let rules = outcome.rules.expect("sound");
    let compiled = Compiled::new(&rules, &Limits::default().automaton).expect("within limits");
    pack(&compiled, &rules).expect("room")
}

/// `lines` in the order that `seed` gives them.
fn shuffled(lines: &[String], seed: u64) -> Vec<&str> {
    let mut keyed: Vec<(u64, &str)> = (1u64..)
        .zip(lines)
        .map(|(number, line)| {
            let mut key = (seed << 32 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            key = (key ^ key >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (key ^ key >> 32, line.as_str())
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, line)| line).collect()
}

/// Builds `head` with `lines` many times, in one to four threads at once, as written and shuffled by turns. One text gives
/// one file, and every order one id and one file of what decides.
fn one_image(name: &str, head: &str, lines: &[String]) {
    let text = |lines: &[&str]| format!("{head}{}\n", lines.join("\n"));
    let written = text(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let first = image_of(&written);
    let decides = |file: &[u8]| {
        let image: ValidImage = decode(&strip(file).expect("an image")).expect("an image");
        (image.id_hex(), image.blob().to_vec(), image.subjects().clone())
    };
    let wanted = decides(&first);
    let mut builds = 1;
    for round in 1.. {
        if builds >= BUILDS {
            break;
        }
        let beside = 1 + round % 4;
        thread::scope(|scope| {
            for number in builds..builds + beside {
                let (text, written, first, wanted, decides) = (&text, &written, &first, &wanted, &decides);
                scope.spawn(move || {
                    if number % 2 == 0 {
                        assert!(image_of(written) == *first, "{name}: build {number} gives other bytes");
                    } else {
                        let other = decides(&image_of(&text(&shuffled(lines, number as u64))));
                        assert_eq!(other.0, wanted.0, "{name}: order {number} gives another id");
                        assert!(other == *wanted, "{name}: order {number} gives other bytes");
                    }
                });
            }
        });
        builds += beside;
    }
}

fn synthetic(form: Form) {
    let policy = Synthetic::new(form, 2_000);
    one_image(&form.to_string(), policy.model(), &policy.lines().collect::<Vec<_>>());
}

#[test]
fn trees_of_literals() {
    synthetic(Form::Tree);
}

#[test]
fn literals_with_nothing_in_common() {
    synthetic(Form::Random);
}

#[test]
fn literals_and_patterns() {
    synthetic(Form::Mixed(10));
}

/// Rules enough that reading them, validating their image and more is done by as many threads as there may be.
#[test]
fn any_number_of_threads() {
    let source = || Source::new("policy.conf", Synthetic::new(Form::Mixed(10), 20_000).text());
    let mut first = None;
    for threads in [1, 2, 3, 8] {
        jobs::at_most(NonZeroUsize::new(threads).expect("some"));
        let effort = Effort { complete: 0, sampled: 10_000, ..Effort::default() };
        let (outcome, report) = build(vec![source()], &Settings::default(), &Limits::default(), effort);
        let file = outcome.packed.expect("an image").file;
        let findings = format!("{:?}", outcome.diagnostics);
        let made = (file, findings, report.expect("validated"));
        assert!(*first.get_or_insert_with(|| made.clone()) == made, "{threads} threads make something else");
    }
}

/// Roles, tuples, text arguments, conditions and patterns: everything an image has a table for.
const HEAD: &str = "[request_definition]\nr = sub, obj, act, args\n[policy_definition]\np = sub, obj, act, args, eft\n\
    [role_definition]\ng = _, _\n[policy_effect]\ne = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n\
    [matchers]\nm = g(r.sub, p.sub) && pathMatch(r.obj, p.obj) && r.act == p.act && r.args == p.args\n[policy]\n\
    g, /bin/a, team\ng, /bin/b, team\ng, /bin/c, others\ng, team, all\ng, others, all\n\
    p, all, \"{/,/**}\", *, *, allow\n";

#[test]
fn tuples_and_roles() {
    let mut lines = Vec::new();
    for number in 0..60 {
        lines.push(format!("p, team, /srv/{number}/*.key, read, (>{number}), deny"));
        lines.push(format!("p, others, /srv/{number}/**, rename, (/srv/{}/**), deny", number + 1));
        lines.push(format!("p, /bin/c, /srv/{number}/log, write, (10..{},*), deny", 20 + number));
        lines.push(format!("p, all, \"/srv/{number}/{{a,b}}\", unlink, *, deny"));
    }
    one_image("tuples", HEAD, &lines);
}

#[test]
fn roles_in_any_order() {
    let mut lines = Vec::new();
    for number in 0..200 {
        lines.push(format!("g, /bin/p{number}, role{}", number % 7));
        lines.push(format!("p, role{}, /srv/{number}, read, *, deny", number % 7));
    }
    (0..6).for_each(|role| lines.push(format!("g, role{role}, role{}", role + 1)));
    one_image("roles", HEAD, &lines);
}
