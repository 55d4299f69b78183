//! Decoding, deciding and judging on images that are as compiled; the compiler's tests keep them fresh.

use boesfs_abi::image::{Parts, ValidImage, decode, encode, strip};
use boesfs_abi::judge::{Caller, EXDEV, Judge, Outcome};
use boesfs_abi::op::Op;
use boesfs_abi::request::{ArgValue, Kind, Request};
use boesfs_abi::verdict::{Errno, Level, Reason, Verdict};

const CASBIN: &[u8] = include_bytes!("images/casbin.bin");
const BOESFS: &[u8] = include_bytes!("images/boesfs.bin");

fn image(file: &[u8]) -> ValidImage {
    decode(file).expect("a valid image")
}

fn request(op: Op, path: &str, args: &[&str], uid: Option<u32>) -> Request {
    let request = Request::new(b"/usr/bin/agent", path.as_bytes(), op).expect("a canonical path");
    let mut request = request.with_text_args(args).expect("arguments that fit");
    request.uid = uid;
    request
}

/// The verdict, and the id of the rule that decided.
fn decided(image: &ValidImage, request: &Request) -> (Verdict, Option<String>) {
    let decision = image.decide_request(request);
    (
        decision.verdict,
        decision.at.and_then(|at| image.rule(request.obj(), at)).map(|rule| rule.id.to_owned()),
    )
}

#[test]
fn what_is_decoded_encodes_to_the_same_bytes() {
    for file in [CASBIN, BOESFS] {
        let image = image(file);
        let parts = Parts {
            blob: image.blob().to_vec(),
            subjects: image.subjects().clone(),
            literals: image.literals().to_vec(),
            debug: image.debug().cloned(),
        };
        assert_eq!(encode(&parts).as_deref(), Ok(file));
    }
}

#[test]
fn no_damaged_image_is_taken() {
    for file in [CASBIN, BOESFS] {
        for end in 0..file.len() {
            assert!(decode(&file[..end]).is_err(), "cut to {end} bytes");
        }
        for at in 0..file.len() {
            for bit in [1, 0x80] {
                let mut damaged = file.to_vec();
                damaged[at] ^= bit;
                assert!(decode(&damaged).is_err(), "byte {at} changed by {bit:#x}");
            }
        }
        assert!(decode(&[file, b"\0"].concat()).is_err(), "a byte more");
    }
}

#[test]
fn a_stripped_image_decides_the_same_and_names_no_rule() {
    let whole = image(CASBIN);
    let bare = image(&strip(CASBIN).expect("an image can be stripped"));
    let asked = request(Op::Read, "/srv/tls/site.key", &[], Some(1000));
    assert_eq!(decided(&whole, &asked), (Verdict::Deny, Some("no-keys".into())));
    assert_eq!(decided(&bare, &asked), (Verdict::Deny, None));
    assert_eq!(whole.id(), bare.id(), "the content's id does not depend on texts");
}

#[test]
fn arguments_and_caller_decide_exactly_or_against_the_request() {
    let image = image(CASBIN);
    let (deny, large) = (Verdict::Deny, Some("no-large-reads".to_owned()));
    for (args, uid, wanted) in [
        (&["100", "0"][..], Some(1000), (Verdict::Allow, None)),
        (&["101", "0"], Some(1000), (deny, large.clone())),
        (&["18446744073709551615"], Some(1000), (deny, large.clone())),
        (&["101", "0"], Some(0), (Verdict::Allow, None)),
        (&["101", "0"], None, (deny, large.clone())),
        (&["?", "0"], Some(1000), (deny, large.clone())),
        (&["?", "0"], Some(0), (Verdict::Allow, None)),
        (&["-", "0"], Some(1000), (Verdict::Allow, None)),
    ] {
        let asked = request(Op::Read, "/srv/logs/a", args, uid);
        assert_eq!(decided(&image, &asked), wanted, "{args:?} by {uid:?}");
    }
    let unknown = image.decide_request(&request(Op::Read, "/srv/logs/a", &[], Some(1000)));
    assert_eq!(unknown.reason, Reason::UnknownArgs);
}

#[test]
fn a_rule_has_its_errno_and_level() {
    let image = image(CASBIN);
    let request = request(Op::Unlink, "/srv/a.key", &[], Some(1000));
    let decision = image.decide_request(&request);
    assert_eq!((decision.verdict, decision.errno), (Verdict::Deny, Errno::Rofs));
    assert_eq!(
        decision.at.and_then(|at| image.rule(request.obj(), at)).map(|rule| rule.level),
        Some(Level::Alert)
    );
}

/// The effective decision about a request of the agent, with its caller known.
fn asked(image: &ValidImage, dir: &str, op: Op, path: &str, args: &[&str]) -> Outcome {
    let request = request(op, path, args, Some(1000));
    let class = image.class_of(request.sub(), None);
    let caller = Caller { class, uid: Some(1000), gid: Some(1000) };
    Judge::new(image, dir.as_bytes()).ask(&caller, path.as_bytes(), Some(Kind::File), op, request.args())
}

#[test]
fn a_call_is_denied_by_what_it_needs_besides() {
    let image = image(CASBIN);
    for (op, path, args, stopped_by, at, errno, reason) in [
        (Op::Read, "/srv/hidden/a", &["1", "0"][..], Op::Lookup, "/srv/hidden", 2, Reason::Hidden),
        (Op::Getattr, "/srv/hidden", &[], Op::Lookup, "/srv/hidden", 2, Reason::Hidden),
        (Op::Read, "/srv/closed/a", &["1", "0"], Op::Open, "/srv/closed/a", 13, Reason::Rule),
        // Opened for reading, as which it is judged too.
        (Op::Open, "/srv/a.key", &["0"], Op::Read, "/srv/a.key", 30, Reason::Rule),
        (Op::Open, "/srv/a.key", &["1"], Op::Write, "/srv/a.key", 30, Reason::Rule),
        // The new name is made.
        (Op::Rename, "/srv/a", &["/srv/b.key"], Op::Create, "/srv/b.key", 30, Reason::Rule),
        (Op::Rename, "/srv/jail/a", &["/srv/free/a"], Op::Rename, "/srv/jail/a", 13, Reason::Rule),
        (Op::Link, "/srv/a", &["/srv/hidden/b"], Op::Lookup, "/srv/hidden", 2, Reason::Hidden),
    ] {
        let outcome = asked(&image, "/", op, path, args);
        let got = (outcome.verdict, outcome.op, outcome.path.as_slice(), outcome.errno, outcome.reason);
        assert_eq!(got, (Verdict::Deny, stopped_by, at.as_bytes(), errno, reason), "{op} of {path}");
    }
    // Where only some arguments are denied, some open is still of use.
    assert!(asked(&image, "/", Op::Open, "/srv/logs/a", &["0"]).allowed());
    assert!(asked(&image, "/", Op::Open, "/srv/a.key", &["0o10000000"]).allowed(), "O_PATH");
}

#[test]
fn no_move_gives_a_right_or_crosses_the_edge() {
    let image = image(CASBIN);
    let gains = asked(&image, "/", Op::Rename, "/srv/closed/a", &["/srv/a"]);
    assert_eq!((gains.verdict, gains.errno, gains.reason), (Verdict::Deny, EXDEV, Reason::GainsRight));
    let crosses = asked(&image, "/srv", Op::Rename, "/srv/a", &["/tmp/a"]);
    assert_eq!((crosses.verdict, crosses.errno, crosses.reason), (Verdict::Deny, EXDEV, Reason::CrossesEdge));
    assert!(asked(&image, "/", Op::Rename, "/srv/a", &["/srv/b"]).allowed());
    // Read as a whole there, in pieces here: nothing is gained.
    assert!(asked(&image, "/", Op::Rename, "/srv/a", &["/srv/logs/a"]).allowed());
}

#[test]
fn what_lies_outside_the_protected_directory_is_not_judged() {
    let image = image(CASBIN);
    let outcome = asked(&image, "/home", Op::Read, "/srv/hidden/a", &["1", "0"]);
    assert!(outcome.allowed() && outcome.outside);
}

#[test]
fn aliases_are_decided_as_what_they_stand_for() {
    let image = image(BOESFS);
    let of = |op: Op, path: &str| {
        let asked = Request::new(b"/bin/sh", path.as_bytes(), op).expect("a canonical path");
        decided(&image, &asked)
    };
    let by = |id: &str| (Verdict::Deny, Some(id.to_owned()));
    assert_eq!(of(Op::Open, "/srv/tool"), by("not-opened"));
    assert_eq!(of(Op::Exec, "/srv/tool"), by("not-opened"));
    assert_eq!(of(Op::Ioctl, "/srv/fixed/a"), by("not-changed"));
    assert_eq!(of(Op::Ioctl, "/srv/fixed").0, Verdict::Allow, "`dir` is what lies below");
    assert_eq!(of(Op::Read, "/srv/tool").0, Verdict::Allow);
    assert!(image.may_deny().contains(Op::Exec));
    assert_eq!(image.asked_as(Op::Exec).0, Op::Open);
}

#[test]
fn arguments_know_their_place() {
    let image = image(CASBIN);
    let into = |target: &str| request(Op::Rename, "/srv/jail/a", &[target], Some(1000));
    assert_eq!(decided(&image, &into("/srv/free/a")).0, Verdict::Deny);
    assert_eq!(decided(&image, &into("/srv/free")).0, Verdict::Allow);
    let open = request(Op::Rename, "/srv/jail/a", &[], Some(1000));
    assert_eq!(open.args(), [ArgValue::Unknown]);
    assert_eq!(decided(&image, &open).0, Verdict::Deny, "some new name is denied");
}
