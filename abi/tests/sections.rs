//! Sections that are not what they should be, behind hashes that hold.

use std::time::{Duration, Instant};

use boesfs_abi::image::{ImageError, Release, SecretKey, decode, sign};
use miniz_oxide::deflate::compress_to_vec;
use sha2::{Digest, Sha256};

const CASBIN: &[u8] = include_bytes!("images/casbin.bin");

#[derive(Clone)]
struct Section {
    kind: u32,
    bytes: Vec<u8>,
}

fn number(file: &[u8], at: usize) -> usize {
    u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes")) as usize
}

fn sections(file: &[u8]) -> Vec<Section> {
    let line = |index: usize| {
        let at = 96 + index * 24;
        let (offset, len) = (number(file, at + 8), number(file, at + 16));
        Section { kind: file[at].into(), bytes: file[offset..offset + len].to_vec() }
    };
    (0..file[24].into()).map(line).collect()
}

/// What is said of `file` with other sections, whose lengths and hashes hold.
fn said(file: &[u8], change: impl FnOnce(&mut Vec<Section>)) -> ImageError {
    let mut sections = sections(file);
    change(&mut sections);
    let mut out = file[..32].to_vec();
    for decides in [true, false] {
        let mut hash = Sha256::new();
        for section in sections.iter().filter(|section| section.kind != 6 && (section.kind <= 2) == decides) {
            hash.update(section.kind.to_le_bytes());
            hash.update((section.bytes.len() as u64).to_le_bytes());
            hash.update(&section.bytes);
        }
        out.extend(hash.finalize());
    }
    let mut at = 96 + 24 * sections.len();
    for section in &sections {
        for value in [section.kind.into(), at as u64, section.bytes.len() as u64] {
            out.extend(value.to_le_bytes());
        }
        at += section.bytes.len().next_multiple_of(8);
    }
    for section in &sections {
        out.extend(&section.bytes);
        out.resize(out.len().next_multiple_of(8), 0);
    }
    let len = out.len() as u64;
    out[16..24].copy_from_slice(&len.to_le_bytes());
    out[24..28].copy_from_slice(&(sections.len() as u32).to_le_bytes());
    let begun = Instant::now();
    let error = decode(&out).map(|_| ()).expect_err("an image that is none");
    assert!(begun.elapsed() < Duration::from_secs(20), "{error} took {:?}", begun.elapsed());
    error
}

fn section(sections: &mut [Section], kind: u32) -> &mut Section {
    sections.iter_mut().find(|section| section.kind == kind).expect("a section")
}

/// A section that says it holds `len` bytes, deflated in `deflated`.
fn packed(len: u64, deflated: &[u8]) -> Vec<u8> {
    [&len.to_le_bytes(), deflated].concat()
}

#[test]
fn what_is_deflated_is_believed_as_far_as_it_can_be_true() {
    let zeros = compress_to_vec(&vec![0; 64 << 20], 9);
    let some = compress_to_vec(&[0; 12], 1);
    let bombs = [
        ("nothing at all", Vec::new()),
        ("no length", vec![1, 2, 3]),
        ("no data", packed(12, &[])),
        ("all there could be", packed(u64::MAX, &zeros)),
        ("more than there may be", packed((512 << 20) + 1, &zeros)),
        ("more than the bytes come to", packed(1 << 30, &some)),
        ("zeros", packed(64 << 20, &zeros)),
        ("less than it comes to", packed(8, &zeros)),
        ("more than it comes to", packed(13, &some)),
        ("something behind it", packed(12, &[some.as_slice(), &[0; 8]].concat())),
        ("cut", packed(64 << 20, &zeros[..zeros.len() / 2])),
        ("no deflated data", packed(12, &[0xff; 64])),
    ];
    for (kind, words) in [(3, "literals"), (4, "debug section")] {
        for (name, bytes) in &bombs {
            let error = said(CASBIN, |sections| section(sections, kind).bytes.clone_from(bytes));
            assert_eq!(error, ImageError::Malformed(words), "{name}");
        }
    }
}

#[test]
fn a_section_is_as_long_as_it_is() {
    for (kind, words) in [(1, "length of the blob"), (2, "subjects"), (3, "literals"), (4, "debug section")] {
        for change in [-8isize, -1, 1, 8] {
            let error = said(CASBIN, |sections| {
                let section = section(sections, kind);
                section.bytes.resize(section.bytes.len().saturating_add_signed(change), 0);
            });
            assert_eq!(error, ImageError::Malformed(words), "section {kind} by {change}");
        }
    }
}

#[test]
fn what_is_needed_is_there_once_and_in_order() {
    for (kind, words) in [(1, "no blob"), (2, "subjects"), (3, "literals")] {
        let error = said(CASBIN, |sections| sections.retain(|section| section.kind != kind));
        assert_eq!(error, ImageError::Malformed(words), "without {kind}");
    }
    let twice = said(CASBIN, |sections| sections.insert(1, sections[1].clone()));
    assert_eq!(twice, ImageError::Malformed("a section comes twice"));
    let turned = said(CASBIN, |sections| sections.swap(2, 3));
    assert_eq!(turned, ImageError::Malformed("order of sections"));
    let unknown = said(CASBIN, |sections| sections.push(Section { kind: 7, bytes: vec![0; 8] }));
    assert_eq!(unknown, ImageError::Malformed("unknown section"));
    let many = said(CASBIN, |sections| {
        (0..4).for_each(|_| sections.push(Section { kind: 7, bytes: Vec::new() }));
    });
    assert_eq!(many, ImageError::Malformed("section count"));
}

#[test]
fn a_signature_is_whole_and_has_a_release() {
    let (key, release) = (SecretKey::generate().expect("a key"), Release::new("web", 7).expect("a release"));
    let signed = sign(CASBIN, &key, &release).expect("an image");
    for kind in [5, 6] {
        let error = said(&signed, |sections| sections.retain(|section| section.kind != kind));
        assert_eq!(error, ImageError::Malformed("a release goes with a signature"), "without {kind}");
    }
    for len in [0, 31, 32, 95, 97] {
        let error = said(&signed, |sections| section(sections, 6).bytes.resize(len, 0));
        assert_eq!(error, ImageError::Malformed("signature"), "of {len} bytes");
    }
    for name in ["", "a\nb", &"x".repeat(256)] {
        let error = said(&signed, |sections| {
            let release = &mut section(sections, 5).bytes;
            release.truncate(8);
            release.extend((name.len() as u32).to_le_bytes());
            release.extend(name.as_bytes());
        });
        assert_eq!(error, ImageError::Malformed("release"), "{name:?}");
    }
    // A key of small order, which would vouch for anything: the neutral element.
    let weak = said(&signed, |sections| {
        let signature = &mut section(sections, 6).bytes;
        signature.fill(0);
        (signature[0], signature[32]) = (1, 1);
    });
    assert_eq!(weak, ImageError::Signature);
    let other_release = said(&signed, |sections| section(sections, 5).bytes[0] = 8);
    assert_eq!(other_release, ImageError::Signature);
    let other_rules = said(&signed, |sections| {
        let foreign = self::sections(include_bytes!("images/tuples.bin"));
        sections[..4].clone_from_slice(&foreign[..4]);
    });
    assert_eq!(other_rules, ImageError::Signature);
}
