//! Engines must be able to disagree: one piece of each is broken, and the others object.

use boesfs_abi::image::{Parts, decode, encode};
use boesfs_abi::layout::Cell;
use boesfs_abi::op::{Op, OpSet};
use boesfs_abi::request::Request;
use boesfs_abi::verdict::{Effect, Verdict};
use boesfs_testbench::engine::{NAMES, engine};
use boesfs_testbench::policy::{Policy, PolicySource};
use boesfs_testbench::question::Question;
use boesfs_testbench::suite::agree;

const POLICY: &str = "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act, eft\n\
    [policy_effect]\ne = !some(where (p.eft == deny))\n[matchers]\n\
    m = r.sub == p.sub && within(r.obj, p.obj) && r.act == p.act\n[policy]\n\
    p, /bin/a, /d, write, deny\np, /bin/a, /e, read, deny\n";

fn policy() -> Policy {
    Policy::compile(&PolicySource::whole("disagreement", POLICY)).expect("the policy compiles")
}

fn questions() -> Vec<Question> {
    let paths: [&[u8]; 5] = [b"/d", b"/d/x", b"/e/y", b"/", b"/f"];
    let mut questions = Vec::new();
    for path in paths {
        for op in [Op::Read, Op::Write, Op::Unlink] {
            questions
                .push(Question::decision(Request::new(b"/bin/a", path, op).expect("the path is normal")));
        }
    }
    questions
}

/// The image of `policy` with every mask of denials turned round.
fn with_masks_turned(policy: Policy) -> Policy {
    let image = policy.image();
    let mut blob = image.blob().to_vec();
    let header = image.header();
    for cell in 0..header.cell_count as usize {
        let at = header.cells_off as usize + cell * size_of::<Cell>();
        let mask = u32::from_le_bytes(blob[at..at + 4].try_into().expect("four bytes"));
        // Reading instead of writing, and the other way round: both are in the header's summary.
        let turned = if mask == 0 { 0 } else { mask ^ OpSet::of(&[Op::Read, Op::Write]).bits() };
        blob[at..at + 4].copy_from_slice(&turned.to_le_bytes());
    }
    let parts = Parts {
        blob,
        subjects: image.subjects().clone(),
        literals: image.literals().to_vec(),
        debug: image.debug().cloned(),
    };
    // The hash is made anew, or the image would be refused; what is left is one that decides otherwise.
    let file = encode(&parts).expect("an image that decides otherwise is one");
    let image = decode(&file).expect("what was encoded decodes");
    policy.with_image(file, image)
}

#[test]
fn engines_agree_when_nothing_is_broken() {
    let policy = policy();
    let agreement = agree(&policy, &questions(), &["reference", "dfa", "image", "native"]).unwrap();
    assert_eq!(agreement.asked, 15);
    assert_eq!(agreement.by_rule, 3);
    assert_eq!(agreement.denied, 3);
}

#[test]
fn a_dropped_rule_in_the_reference_is_noticed() {
    let policy = policy().with_model(|model| {
        model.rules[0].eft = Effect::Allow;
    });
    for other in ["dfa", "image", "native"] {
        let difference = agree(&policy, &questions(), &["reference", other]).unwrap_err();
        assert!(difference.contains("write"), "{difference}");
    }
}

#[test]
fn a_redirected_edge_in_the_automaton_is_noticed() {
    let noticed = (0..policy().compiled().paths.edge_count()).filter(|edge| {
        let policy = policy().with_compiled(|compiled| {
            let start = compiled.paths.start();
            compiled.paths = compiled.paths.with_edge_redirected(*edge, start);
        });
        let told = agree(&policy, &questions(), &["dfa", "reference"]);
        let image = agree(&policy, &questions(), &["dfa", "image"]);
        assert_eq!(told.is_err(), image.is_err());
        told.is_err()
    });
    assert!(noticed.count() >= 4);
}

#[test]
fn turned_masks_in_the_image_are_noticed() {
    let policy = with_masks_turned(policy());
    // `native` and `bpf` read the same blob, so it is `reference` and `dfa` that object to all three.
    for broken in ["image", "native", "bpf"] {
        for other in ["reference", "dfa"] {
            match agree(&policy, &questions(), &[other, broken]) {
                Err(difference) => assert!(difference.contains(broken), "{difference}"),
                Ok(agreement) => {
                    assert_eq!(broken, "bpf");
                    println!("skipped: {:?}", agreement.left_out);
                    assert!(!agreement.left_out.is_empty(), "{broken} decides as if its image were whole");
                }
            }
        }
    }
}

#[test]
fn a_flipped_byte_in_the_file_is_refused() {
    let policy = policy();
    let file = policy.image_file();
    for at in 0..file.len() {
        let mut bytes = file.to_vec();
        bytes[at] ^= 1;
        assert!(decode(&bytes).is_err(), "byte {at} may be anything");
        assert!(decode(&file[..at]).is_err(), "an image of {at} bytes is accepted");
    }
}

#[test]
fn names_are_those_of_engines() {
    for name in NAMES {
        assert_eq!(engine(name).unwrap().name(), name);
    }
    assert!(engine("guess").is_none());
    assert_eq!(Verdict::from(Effect::Deny), Verdict::Deny);
}
