//! Walking in C on the host and in Rust: over every kind of node, in one go, name by name, and from a directory on.

use boesfs_abi::image::{ClassId, Parts, ValidImage, decode, encode};
use boesfs_abi::layout::{
    ABI_VERSION, BLOB_MAGIC, MAX_BRANCH, MAX_CHAIN, NODE_BRANCH, NODE_CHAIN, NODE_SINK, NODE_TABLE,
};
use boesfs_abi::map::Call;
use boesfs_abi::subjects::Subjects;
use boesfs_ebpf::native::NativePolicy;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

mod support;
use support::Blob;

/// Where nodes begin.
const NODES: u32 = 128;

/// A node; where its edges lead are numbers of nodes, to be taken modulo how many there are.
#[derive(Clone, Debug)]
enum Shape {
    Chain(Vec<u8>, usize),
    Branch(Vec<(u8, usize)>),
    Table(u8, Vec<usize>),
}

impl Shape {
    fn len(&self) -> usize {
        let bytes = match self {
            Self::Chain(bytes, _) => bytes.len(),
            Self::Branch(edges) => edges.len().next_multiple_of(8) + edges.len() * 4,
            Self::Table(_, edges) => edges.len() * 4,
        };
        16 + bytes.next_multiple_of(8)
    }

    /// Bytes that lead somewhere of their own.
    fn listed(&self) -> Vec<u8> {
        match self {
            Self::Chain(bytes, _) => bytes.clone(),
            Self::Branch(edges) => edges.iter().map(|(byte, _)| *byte).collect(),
            Self::Table(low, edges) => (*low..=255).take(edges.len()).collect(),
        }
    }
}

/// Few bytes that mean something, so that input often meets them; and among them the least, the greatest and `/`.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![3 => b'a'..=b'e', 2 => Just(b'/'), 1 => any::<u8>(), 1 => Just(0), 1 => Just(255)]
}

fn shape() -> impl Strategy<Value = Shape> {
    let chain = (vec(byte(), 1..=usize::from(MAX_CHAIN)), any::<usize>());
    let short = (vec(byte(), 1..12), any::<usize>());
    let branch = (btree_set(any::<u8>(), 0..=usize::from(MAX_BRANCH)), any::<usize>());
    let small = (btree_set(byte(), 0..8), any::<usize>());
    let edges = |(bytes, to): (std::collections::BTreeSet<u8>, usize)| {
        Shape::Branch(
            bytes.into_iter().enumerate().map(|(place, byte)| (byte, to.wrapping_add(place))).collect(),
        )
    };
    let table = byte().prop_flat_map(|low| (Just(low), vec(any::<usize>(), 1..=256 - usize::from(low))));
    prop_oneof![
        chain.prop_map(|(bytes, to)| Shape::Chain(bytes, to)),
        short.prop_map(|(bytes, to)| Shape::Chain(bytes, to)),
        branch.prop_map(edges),
        small.prop_map(edges),
        table.prop_map(|(low, edges)| Shape::Table(low, edges)),
    ]
}

/// An image of these nodes, each of which has a label of its own; the last one is a sink. What is not listed leads from each
/// to the one behind it, so that all are reached.
fn image(shapes: &[Shape]) -> ValidImage {
    let mut references = vec![NODES / 8];
    for shape in shapes {
        references.push(references[references.len() - 1] + shape.len() as u32 / 8);
    }
    let to = |number: usize| references[number % references.len()];
    let mut blob = Blob(vec![0; NODES as usize]);
    for (number, shape) in shapes.iter().enumerate() {
        let (label, other) = (number as u32, references[number + 1]);
        match shape {
            Shape::Chain(bytes, next) => {
                blob.node(label, other, to(*next), bytes.len() as u16, NODE_CHAIN);
                blob.bytes(bytes);
            }
            Shape::Branch(edges) => {
                blob.node(label, other, 0, edges.len() as u16, NODE_BRANCH);
                blob.bytes(&shape.listed());
                edges.iter().for_each(|(_, number)| blob.numbers(&[to(*number)]));
            }
            Shape::Table(low, edges) => {
                let at = blob.0.len();
                blob.node(label, other, 0, edges.len() as u16, NODE_TABLE);
                blob.0[at + 15] = *low;
                edges.iter().for_each(|number| blob.numbers(&[to(*number)]));
            }
        }
        blob.bytes(&[]);
    }
    let count = references.len() as u32;
    let sink = references[shapes.len()];
    blob.node(count - 1, sink, 0, 0, NODE_SINK);
    let nodes_len = blob.0.len() as u32 - NODES;
    // Every row's one cell is cell 0, which allows everything.
    let rows = NODES + nodes_len;
    let cells = rows + (count * 4).next_multiple_of(8);
    let end = cells + 64;
    blob.bytes(&vec![0; (end - rows) as usize]);
    let mut header = Blob(Vec::new());
    header.numbers(&[BLOB_MAGIC, ABI_VERSION, end, 0, 0, 0, 0, 1, 0, 0, NODES / 8, 0]);
    header.numbers(&[NODES, nodes_len, rows, count, cells, 1, end, 0, end, 0, end, 0, 0, end]);
    blob.0[..header.0.len()].copy_from_slice(&header.0);
    let subjects = Subjects { groups: vec![(None, None)], classes: vec![ClassId(0)], ..Subjects::default() };
    let parts = Parts { blob: blob.0, subjects, literals: Vec::new(), debug: None };
    decode(&encode(&parts).expect("an image")).expect("a valid image")
}

/// An image, and input that often goes where its edges lead.
fn case() -> impl Strategy<Value = (Vec<Shape>, Vec<u8>)> {
    vec(shape(), 1..12).prop_flat_map(|shapes| {
        let listed: Vec<Vec<u8>> =
            shapes.iter().map(Shape::listed).filter(|bytes| !bytes.is_empty()).collect();
        let piece = any::<(prop::sample::Index, prop::sample::Index)>().prop_map(move |(which, from)| {
            let Some(bytes) = listed.get(which.index(listed.len().max(1))) else { return Vec::new() };
            bytes[from.index(bytes.len())..].to_vec()
        });
        let input =
            vec(prop_oneof![2 => piece, 1 => vec(byte(), 0..4)], 0..8).prop_map(|pieces| pieces.concat());
        (Just(shapes), input)
    })
}

proptest! {
    #[test]
    fn c_walks_as_rust_does((shapes, input) in case()) {
        let image = image(&shapes);
        let native = NativePolicy::new(&image);
        let by_bytes = input.iter().fold(image.path_start(), |state, byte| image.step(state, *byte));
        prop_assert_eq!(image.walk(image.path_start(), &input), by_bytes);
        let label = native.decide(Call::default(), &input).expect("a path that is not too long").label;
        prop_assert_eq!(label, image.label(by_bytes));
    }

    #[test]
    fn names_are_walked_one_after_the_other((shapes, input) in case()) {
        let image = image(&shapes);
        let ends = (1..input.len()).filter(|at| input[*at] == b'/').chain([input.len()]);
        let wanted: Vec<(usize, u32)> =
            ends.map(|end| (end, image.label(image.walk(image.path_start(), &input[..end])))).collect();
        prop_assert_eq!(NativePolicy::new(&image).names(&input).expect("not too long"), wanted);
    }

    #[test]
    fn what_leads_somewhere_is_told((shapes, input) in case()) {
        let image = image(&shapes);
        let state = image.walk(image.path_start(), &input);
        let (own, other) = image.edges(state);
        prop_assert!(own.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for byte in 0..=255 {
            let told = own.iter().find(|(listed, _)| *listed == byte).map_or(other, |(_, to)| *to);
            // A sink has no way out: every byte leads to the node itself.
            prop_assert_eq!(told, image.step(state, byte));
        }
    }
}
