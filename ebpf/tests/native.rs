//! The C decision code on the host: it decides as the Rust code does, and a damaged blob never leads it astray.

use boesfs_abi::decide::Fields;
use boesfs_abi::image::{ClassId, Parts, ValidImage, decode, encode};
use boesfs_abi::layout::{
    ABI_VERSION, BLOB_MAGIC, CONDITION_BETWEEN, FIELD_UID, NODE_BRANCH, NODE_CHAIN, NODE_SINK,
};
use boesfs_abi::map::Call;
use boesfs_abi::op::{Access, Op};
use boesfs_abi::subjects::Subjects;
use boesfs_abi::verdict::Verdict;
use boesfs_ebpf::native::NativePolicy;
use proptest::prelude::*;

mod support;
use support::Blob;

/// Where the parts of the test's blob lie.
const NODES: u32 = 128;

/// A policy: `/data/x` and `/data/y` deny `unlink`, and `read` to uids 10 to 20; everything else is allowed.
fn blob() -> Vec<u8> {
    let mut nodes = Blob(vec![0; NODES as usize]);
    let sink = nodes.node(0, NODES / 8, 0, 0, NODE_SINK);
    let end = nodes.node(1, sink, 0, 0, NODE_BRANCH);
    let fork = nodes.node(0, sink, 0, 2, NODE_BRANCH);
    nodes.bytes(b"xy");
    nodes.numbers(&[end, end]);
    let start = nodes.node(0, sink, fork, 6, NODE_CHAIN);
    nodes.bytes(b"/data/");
    let nodes = nodes.0.split_off(NODES as usize);
    let rows = NODES + nodes.len() as u32;
    let (cells, entries) = (rows + 8, rows + 8 + 2 * 64);
    let tests = entries + 4 * 24;
    let len = tests + 24;
    let (unlink, read) = (1 << Op::Unlink as u32, 1 << Op::Read as u32);
    let mut blob = Blob(Vec::new());
    blob.numbers(&[BLOB_MAGIC, ABI_VERSION, len, 0, unlink | read, read, 0, 1, 0, 0, start, 0]);
    blob.numbers(&[NODES, nodes.len() as u32, rows, 2, cells, 2, entries, 4, tests, 1, len, 0, 0, len, 0, 0]);
    blob.numbers(&[0; 4]);
    blob.bytes(&nodes);
    blob.numbers(&[0, 1]);
    blob.numbers(&[0; 16]);
    blob.numbers(&[unlink, read, unlink, 0, 0, 0, 0, 2, 2, 1, 3, 1, 0, 0, 0, 0]);
    let entry = |blob: &mut Blob, tests: u32, by_default: u32, deny: u8| {
        blob.numbers(&[read, 0, tests, by_default]);
        blob.0.extend([deny, 0, deny, 0, 0, 0, 0, 0]);
    };
    entry(&mut blob, 1, 0, 1);
    entry(&mut blob, 0, 1, 0);
    entry(&mut blob, 1, 1, 1);
    entry(&mut blob, 0, 1, 0);
    blob.0.extend([10u64, 20].iter().flat_map(|number| number.to_le_bytes()));
    blob.numbers(&[0]);
    blob.0.extend([FIELD_UID, CONDITION_BETWEEN, 1, 0]);
    blob.0
}

fn image() -> ValidImage {
    let subjects = Subjects { groups: vec![(None, None)], classes: vec![ClassId(0)], ..Subjects::default() };
    let parts = Parts { blob: blob(), subjects, literals: Vec::new(), debug: None };
    decode(&encode(&parts).expect("an image")).expect("a valid image")
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("/".to_owned()),
        Just("/data/x".to_owned()),
        Just("/data/y".to_owned()),
        "/data/[w-z]{1,2}",
        "/data/x/[a-z]{1,3}",
        "(/[a-z]{1,12}){1,3}",
    ]
}

fn call(op: Op, uid: Option<u32>) -> Call {
    let mut call = Call { op: op as u32, ..Call::default() };
    if let Some(uid) = uid {
        call.known = 1 << FIELD_UID;
        call.value[FIELD_UID as usize] = uid.into();
    }
    call
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![Just(Op::Read), Just(Op::Unlink), Just(Op::Open)]
}

proptest! {
    #[test]
    fn decides_as_the_rust_code(path in path(), op in op(), uid in proptest::option::of(0u32..30)) {
        let image = image();
        let native = NativePolicy::new(&image);
        let state = image.walk(image.path_start(), path.as_bytes());
        let fields = Fields { uid, ..Fields::UNKNOWN };
        let wanted = image.decide(state, ClassId(0), op, &fields);
        let have = native.decide(call(op, uid), path.as_bytes()).unwrap();
        prop_assert_eq!(have.deny == 1, wanted.verdict == Verdict::Deny);
        prop_assert_eq!(have.reason, wanted.reason as u32);
        let at = wanted.at.expect("every decision of this policy has a place");
        prop_assert_eq!((have.cell, have.entry), (at.cell, at.entry));
        let never = native.decide(Call { never: 1, ..call(op, uid) }, path.as_bytes()).unwrap();
        prop_assert_eq!(never.deny == 1, image.never_allowed(state, ClassId(0), (op, Access::Any), &fields));
    }

    #[test]
    fn a_damaged_blob_is_refused_or_decides_or_denies(
        damage in proptest::collection::vec((0usize..600, any::<u8>()), 1..6),
        path in path(), op in op(), uid in proptest::option::of(0u32..30),
    ) {
        let mut blob = blob();
        for (at, byte) in damage {
            let at = at % blob.len();
            blob[at] = byte;
        }
        // That it comes back at all, with an answer or none, is what is asked for.
        if let Ok(answer) = NativePolicy::from_blob(&blob).decide(call(op, uid), path.as_bytes()) {
            prop_assert!(answer.deny <= 1 || blob != self::blob());
        }
    }
}
