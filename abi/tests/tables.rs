//! Tables of a blob that do not fit each other: behind right hashes, so that nothing but the looking at them refuses them.

use std::mem::{offset_of, size_of};

use boesfs_abi::image::{ImageError, Parts, decode, encode};
use boesfs_abi::layout::{CONDITION_BETWEEN, CONDITION_TEXT, Cell, Entry, PolicyHeader, Test};

const CASBIN: &[u8] = include_bytes!("images/casbin.bin");

fn parts() -> Parts {
    let image = decode(CASBIN).expect("an image");
    Parts {
        blob: image.blob().to_vec(),
        subjects: image.subjects().clone(),
        literals: image.literals().to_vec(),
        debug: None,
    }
}

fn get(blob: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(blob[at..at + 4].try_into().expect("four bytes"))
}

fn put(blob: &mut [u8], at: usize, value: u32) {
    blob[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn edit(blob: &mut [u8], at: usize, to: impl FnOnce(u32) -> u32) {
    let value = to(get(blob, at));
    put(blob, at, value);
}

/// What is said of the image whose blob was changed.
fn said(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut parts = parts();
    change(&mut parts.blob);
    match encode(&parts) {
        Err(ImageError::Malformed(what)) => what.to_owned(),
        other => panic!("taken, or refused for another reason: {:?}", other.map(|_| ())),
    }
}

/// Where the first line of a table is that `wanted` is true of.
fn first(blob: &[u8], table: usize, count: usize, each: usize, wanted: impl Fn(usize) -> bool) -> usize {
    let lines = (0..get(blob, count) as usize).map(|line| get(blob, table) as usize + line * each);
    lines.into_iter().find(|at| wanted(*at)).expect("a line")
}

fn first_test(blob: &[u8], condition: u8) -> usize {
    let (table, count) = (offset_of!(PolicyHeader, tests_off), offset_of!(PolicyHeader, test_count));
    first(blob, table, count, size_of::<Test>(), |at| blob[at + offset_of!(Test, condition)] == condition)
}

fn first_cell(blob: &[u8], field: usize) -> usize {
    let (table, count) = (offset_of!(PolicyHeader, cells_off), offset_of!(PolicyHeader, cell_count));
    first(blob, table, count, size_of::<Cell>(), |at| get(blob, at + field) != 0)
}

#[test]
fn each_table_lies_behind_the_one_before() {
    let offsets = [
        offset_of!(PolicyHeader, nodes_off),
        offset_of!(PolicyHeader, rows_off),
        offset_of!(PolicyHeader, cells_off),
        offset_of!(PolicyHeader, entries_off),
        offset_of!(PolicyHeader, tests_off),
        offset_of!(PolicyHeader, sets_off),
        offset_of!(PolicyHeader, gains_off),
    ];
    for at in offsets {
        for by in [8u32, 0u32.wrapping_sub(8), 1, 0x8000_0000] {
            let said = said(|blob| edit(blob, at, |offset| offset.wrapping_add(by)));
            assert!(said.contains("not behind the one before"), "offset {at} by {by}: {said}");
        }
    }
    let nodes_len = offset_of!(PolicyHeader, nodes_len);
    for by in 1..8 {
        assert_eq!(said(|blob| edit(blob, nodes_len, |len| len + by)), "length of the nodes");
    }
    let longer = said(|blob| {
        blob.extend([0; 8]);
        edit(blob, offset_of!(PolicyHeader, blob_len), |len| len + 8);
    });
    assert_eq!(longer, "tables do not fill the blob");
}

/// Else a number that a caller gives would be looked up as a class of texts.
#[test]
fn a_test_is_of_a_field_that_its_operations_have() {
    let words = "a test of a field that an operation does not have";
    let text = said(|blob| {
        let (number, text) = (first_test(blob, CONDITION_BETWEEN), first_test(blob, CONDITION_TEXT));
        let test = blob[text..text + size_of::<Test>()].to_vec();
        blob[number..number + size_of::<Test>()].copy_from_slice(&test);
    });
    assert_eq!(text, words);
    let third = said(|blob| {
        let test = first_test(blob, CONDITION_TEXT);
        blob[test + offset_of!(Test, field)] = 3;
    });
    assert_eq!(third, words);
}

/// Else few bytes could name many lines many times, and looking at all would take forever.
#[test]
fn no_two_lists_share_a_part() {
    let denies = offset_of!(Cell, denies);
    let moved = said(|blob| {
        let cell = first_cell(blob, offset_of!(Cell, denies_count));
        edit(blob, cell + denies, |entry| entry + 1);
    });
    let shared = ["entries that no cell names, or two name in part", "a list that is two"];
    let not_there = "a cell names an entry that is not there";
    assert!(shared.contains(&moved.as_str()) || moved == not_there, "{moved}");
    let as_other = said(|blob| {
        let cell = first_cell(blob, offset_of!(Cell, denies_count));
        for field in [0, 4] {
            let of_first = get(blob, cell + offset_of!(Cell, first) + field);
            put(blob, cell + denies + field, of_first);
        }
    });
    assert!(shared.contains(&as_other.as_str()), "{as_other}");
    let tests = said(|blob| {
        let (table, count) = (offset_of!(PolicyHeader, entries_off), offset_of!(PolicyHeader, entry_count));
        let field = offset_of!(Entry, test_count);
        let entry = first(blob, table, count, size_of::<Entry>(), |at| get(blob, at + field) > 0);
        edit(blob, entry + field, |count| count + 1);
    });
    assert!(tests == "an entry" || tests.starts_with("tests that no entry names"), "{tests}");
}

#[test]
fn a_box_is_of_the_list_it_stands_in() {
    let flipped = said(|blob| {
        let cell = first_cell(blob, offset_of!(Cell, denies_count));
        let entry = get(blob, offset_of!(PolicyHeader, entries_off)) as usize
            + get(blob, cell + offset_of!(Cell, denies)) as usize * size_of::<Entry>();
        blob[entry + offset_of!(Entry, deny)] = 0;
    });
    assert_eq!(flipped, "a box of what is not so");
}

/// Many domains are looked at once each, and no two are alike.
#[test]
fn domains_are_told_apart_in_no_time() {
    let mut parts = parts();
    let count = 50_000u32;
    let classes = parts.subjects.classes.clone();
    let (groups, before) = (parts.subjects.groups.len(), parts.subjects.domains.len() + 1);
    parts.subjects.domains = (0..count).map(|number| number.to_be_bytes().to_vec()).collect();
    let of_group = |group: usize| vec![classes[group * before]; count as usize + 1];
    parts.subjects.classes = (0..groups).flat_map(of_group).collect();
    let begun = std::time::Instant::now();
    encode(&parts).expect("an image");
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let last = parts.subjects.domains.len() - 1;
    parts.subjects.domains[last] = parts.subjects.domains[0].clone();
    assert_eq!(encode(&parts).map(|_| ()), Err(ImageError::Malformed("subjects")));
}

/// The rules of a cell follow those of the one before.
#[test]
fn no_two_cells_share_their_rules() {
    let mut parts = parts();
    parts.debug = decode(CASBIN).expect("an image").debug().cloned();
    let debug = parts.debug.as_mut().expect("a debug section");
    debug.origins.cells[1].deciders = debug.origins.cells[0].deciders;
    assert_eq!(encode(&parts).map(|_| ()), Err(ImageError::Malformed("debug section")));
}
