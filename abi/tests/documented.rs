//! `docs/image-format.md`, read as it stands: a decoder written from that page alone, with its numbers, takes apart what is committed
//! and finds what `decode` finds.

use std::collections::BTreeMap;

use boesfs_abi::decide::{FieldValue, Fields};
use boesfs_abi::image::{ClassId, Release, SecretKey, ValidImage, decode, sign};
use boesfs_abi::op::{Access, OPS};
use boesfs_abi::subjects::SubjectLiteral;
use boesfs_abi::verdict::{Effect, Verdict};
use miniz_oxide::inflate::decompress_to_vec;
use sha2::{Digest, Sha256};

const IMAGES: [&[u8]; 5] = [
    include_bytes!("images/boesfs.bin"),
    include_bytes!("images/casbin.bin"),
    include_bytes!("images/tuples.bin"),
    include_bytes!("images/patterns.bin"),
    include_bytes!("images/roles.bin"),
];

fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// What is read in order.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(len);
        self.0 = rest;
        head
    }

    fn number(&mut self) -> usize {
        u32_at(self.bytes(4), 0)
    }

    fn text(&mut self) -> &'a [u8] {
        let len = self.number();
        self.bytes(len)
    }

    fn list(&mut self) -> Vec<u32> {
        let len = self.number();
        (0..len).map(|_| self.number() as u32).collect()
    }

    /// A list that holds steps: each number less the one `stride` before it.
    fn steps(&mut self, stride: usize) -> Vec<u32> {
        let mut list = self.list();
        for at in stride..list.len() {
            list[at] = list[at].wrapping_add(list[at - stride]);
        }
        list
    }
}

fn inflated(section: &[u8]) -> Vec<u8> {
    let plain = decompress_to_vec(&section[8..]).expect("deflated");
    assert_eq!(plain.len() as u64, u64_at(section, 0));
    plain
}

/// The sections by kind, checked as "The file" says.
fn sections(file: &[u8]) -> BTreeMap<usize, &[u8]> {
    assert_eq!(&file[..8], b"BOESIMG\0");
    assert_eq!(u32_at(file, 8) as u32, boesfs_abi::image::VERSION);
    assert_eq!(u32_at(file, 12) as u32, boesfs_abi::layout::fingerprint());
    assert_eq!(u64_at(file, 16), file.len() as u64);
    assert_eq!(u32_at(file, 28), 0);
    let mut sections = BTreeMap::new();
    let mut end = 96 + 24 * u32_at(file, 24);
    for index in 0..u32_at(file, 24) {
        let line = &file[96 + 24 * index..];
        let (kind, offset, len) = (u32_at(line, 0), u64_at(line, 8) as usize, u64_at(line, 16) as usize);
        assert_eq!((u32_at(line, 4), offset), (0, end), "the next section begins at a multiple of 8");
        sections.insert(kind, &file[offset..offset + len]);
        end = (offset + len).div_ceil(8) * 8;
        assert!(file[offset + len..end].iter().all(|byte| *byte == 0), "padding is zero");
    }
    assert_eq!(end, file.len());
    for (kinds, at) in [(&[1usize, 2][..], 32), (&[3, 4, 5], 64)] {
        let mut hash = Sha256::new();
        for (kind, bytes) in sections.iter().filter(|(kind, _)| kinds.contains(kind)) {
            hash.update((*kind as u32).to_le_bytes());
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        }
        assert_eq!(hash.finalize()[..], file[at..at + 32]);
    }
    sections
}

/// One node of `nodes` on one byte: the label of where that leads, and the place there.
fn label_after(nodes: &[u8], start: usize, input: &[u8]) -> u32 {
    let (mut node, mut inside) = (start * 8, 0);
    for byte in input {
        let (other, next) = (u32_at(nodes, node + 4), u32_at(nodes, node + 8));
        let (len, kind) = (u16_at(nodes, node + 12), nodes[node + 14]);
        let to = match kind {
            1 => {
                if nodes[node + 16 + inside] != *byte {
                    other
                } else if inside + 1 < len {
                    inside += 1;
                    continue;
                } else {
                    next
                }
            }
            2 => {
                let edges = &nodes[node + 16..node + 16 + len];
                let references = node + 16 + len.div_ceil(8) * 8;
                edges
                    .iter()
                    .position(|edge| edge == byte)
                    .map_or(other, |at| u32_at(nodes, references + at * 4))
            }
            3 => node / 8,
            4 => {
                let place =
                    usize::from(*byte).checked_sub(nodes[node + 15].into()).filter(|place| *place < len);
                place.map_or(other, |place| u32_at(nodes, node + 16 + place * 4))
            }
            kind => panic!("node of kind {kind}"),
        };
        (node, inside) = (to * 8, 0);
    }
    u32_at(nodes, node) as u32
}

/// A blob by the page's offsets.
struct Blob<'a>(&'a [u8]);

impl Blob<'_> {
    fn field(&self, at: usize) -> usize {
        u32_at(self.0, at)
    }

    fn cell(&self, path: &[u8], class: usize) -> &[u8] {
        let row = label_after(self.0, self.field(40), path) as usize;
        let at = self.field(56) + (row * self.field(28) + class) * 4;
        &self.0[self.field(64) + u32_at(self.0, at) * 64..][..64]
    }

    fn entries(&self, from: usize, count: usize) -> impl Iterator<Item = &[u8]> {
        let table = self.field(72);
        (from..from + count).map(move |entry| &self.0[table + entry * 24..][..24])
    }

    /// Whether all tests of `entry` hold, those of unknown fields passed over; and whether there were such.
    fn holds(&self, entry: &[u8], fields: &[FieldValue; 7]) -> (bool, bool) {
        let (from, count) = (u32_at(entry, 4), u32_at(entry, 8));
        let mut unknown = false;
        for test in (from..from + count).map(|test| &self.0[self.field(80) + test * 24..][..24]) {
            let (a, b, set) = (u64_at(test, 0), u64_at(test, 8), u32_at(test, 16));
            let condition = match fields[usize::from(test[20])] {
                FieldValue::Unknown => {
                    unknown = true;
                    continue;
                }
                FieldValue::Absent => false,
                FieldValue::Known(value) => match test[21] {
                    0 => a <= value && value <= b,
                    1 => value & a != 0,
                    2 => {
                        let words = self.field(96).div_ceil(32);
                        let word = set * words + value as usize / 32;
                        u32_at(self.0, self.field(88) + word * 4) >> (value % 32) & 1 == 1
                    }
                    3 => a >> value & 1 == 1,
                    condition => panic!("condition {condition}"),
                },
            };
            if condition != (test[22] == 1) {
                return (false, unknown);
            }
        }
        (true, unknown)
    }

    /// The decision about operation `op`.
    fn decide(&self, path: &[u8], class: usize, op: usize, fields: &[FieldValue; 7]) -> Verdict {
        let boesfs = self.field(12) & 1 == 1;
        let unknown = FieldValue::Unknown;
        let [.., uid, gid, kind] = *fields;
        let without_args = [unknown, unknown, unknown, unknown, uid, gid, kind];
        let (op, fields) = match OPS[op].name {
            "exec" if boesfs => (number("open"), &without_args),
            "ioctl" if boesfs => (number("setattr"), &without_args),
            "lookup2" => (number("lookup"), fields),
            _ => (op, fields),
        };
        let cell = self.cell(path, class);
        let has = |mask: usize| mask >> op & 1 == 1;
        let verdict = |deny: bool| if deny { Verdict::Deny } else { Verdict::Allow };
        if !has(u32_at(cell, 4)) {
            return verdict(has(u32_at(cell, 0)));
        }
        let mut first =
            self.entries(u32_at(cell, 24), u32_at(cell, 28)).filter(|entry| has(u32_at(entry, 0)));
        let (entry, certain) = first
            .find_map(|entry| {
                let (holds, unknown) = self.holds(entry, fields);
                holds.then_some((entry, !unknown))
            })
            .expect("the last one has no test");
        if certain {
            return verdict(entry[16] == 1);
        }
        let mut denies =
            self.entries(u32_at(cell, 32), u32_at(cell, 36)).filter(|entry| has(u32_at(entry, 0)));
        verdict(denies.any(|entry| self.holds(entry, fields).0))
    }
}

/// The number of an operation, its bit in every mask.
fn number(name: &str) -> usize {
    OPS.iter().position(|spec| spec.name == name).expect("an operation")
}

/// Paths that rules name, and some beside and below them.
fn paths(image: &ValidImage) -> Vec<Vec<u8>> {
    let mut paths: Vec<Vec<u8>> = vec![b"/".to_vec(), b"/srv/a.key".to_vec(), b"/etc/x/y.log".to_vec()];
    for literal in image.literals() {
        paths.push(literal.path.clone());
        paths.push([literal.path.as_slice(), b"x"].concat());
        if literal.path != b"/" {
            paths.push([literal.path.as_slice(), b"/x"].concat());
        }
    }
    paths
}

#[test]
fn a_blob_decides_as_the_page_says() {
    let mut denied = [0; 2];
    for file in IMAGES {
        let image = decode(file).expect("an image");
        let blob = Blob(sections(file)[&1]);
        assert_eq!(&blob.0[..4], b"BOEP");
        assert_eq!(blob.field(8), blob.0.len());
        assert_eq!(blob.field(28), image.classes().count());
        for path in paths(&image) {
            let state = image.walk(image.path_start(), &path);
            assert_eq!(label_after(blob.0, blob.field(40), &path), image.label(state));
            for class in 0..blob.field(28) {
                for (op, spec) in OPS.iter().enumerate() {
                    for value in [FieldValue::Unknown, FieldValue::Known(0), FieldValue::Known(4096)] {
                        let mut fields = Fields { uid: Some(1000), ..Fields::UNKNOWN };
                        let numbers = spec.args.iter().all(|arg| {
                            matches!(
                                arg.ty,
                                boesfs_abi::op::ArgType::Unsigned | boesfs_abi::op::ArgType::Signed
                            )
                        });
                        if numbers {
                            fields.args = [value; 4];
                        }
                        let [a, b, c, d] = fields.args;
                        let by_page =
                            [a, b, c, d, FieldValue::Known(1000), FieldValue::Unknown, FieldValue::Unknown];
                        let wanted = image.decide(state, ClassId(class as u32), spec.op, &fields).verdict;
                        let got = blob.decide(&path, class, op, &by_page);
                        assert_eq!(
                            got,
                            wanted,
                            "{} of {:?} by class {class}",
                            spec.name,
                            path.escape_ascii().to_string()
                        );
                        denied[usize::from(wanted == Verdict::Deny)] += 1;
                    }
                }
            }
        }
    }
    assert!(denied.iter().all(|count| *count > 50), "{denied:?}");
}

#[test]
fn the_gain_table_and_texts_are_where_the_page_says() {
    for file in IMAGES {
        let image = decode(file).expect("an image");
        let blob = Blob(sections(file)[&1]);
        let (gains, lists) = (blob.field(100), blob.field(104));
        for (from, to) in (0..lists).flat_map(|from| (0..lists).map(move |to| (from, to))) {
            let ops = u32_at(blob.0, gains + (from * lists + to) * 4) as u32;
            assert_eq!(image.list_gains(from as u32, to as u32).map(|ops| ops.bits()), Some(ops));
        }
        for text in [&b"/"[..], b"/srv/free/a", b"x"] {
            let start = blob.field(44);
            let class = if start == 0 { 0 } else { label_after(blob.0, start, text) };
            assert_eq!(class, image.text_class(text));
        }
        // What an open can be for is in the boxes of what is allowed.
        let open = number("open");
        let cell = blob.cell(b"/srv/logs/a", 0);
        let state = image.walk(image.path_start(), b"/srv/logs/a");
        for access in Access::ALL {
            let mut allows = blob
                .entries(u32_at(cell, 40), u32_at(cell, 44))
                .filter(|entry| u32_at(entry, 0) >> open & 1 == 1);
            let unknown = [FieldValue::Unknown; 7];
            let by_lists = u32_at(cell, 4) >> open & 1 == 1;
            let never = if by_lists {
                !allows.any(|entry| entry[19] & access as u8 != 0 && blob.holds(entry, &unknown).0)
            } else {
                u32_at(cell, 0) >> open & 1 == 1
            };
            let asked = (OPS[open].op, access);
            assert_eq!(never, image.never_allowed(state, ClassId(0), asked, &Fields::UNKNOWN));
        }
    }
}

#[test]
fn subjects_are_as_the_page_says() {
    for file in IMAGES {
        let image = decode(file).expect("an image");
        let mut input = Input(sections(file)[&2]);
        let literals: Vec<SubjectLiteral> = (0..input.number())
            .map(|_| match input.number() {
                0 => SubjectLiteral::Path(input.text().to_vec()),
                _ => SubjectLiteral::Name(input.text().to_vec()),
            })
            .collect();
        let groups: Vec<_> = (0..input.number())
            .map(|_| (input.number(), input.number()))
            .map(|(path, base)| (path.checked_sub(1), base.checked_sub(1)))
            .map(|(path, base)| (path.map(|at| at as u32), base.map(|at| at as u32)))
            .collect();
        let domains: Vec<Vec<u8>> = (0..input.number()).map(|_| input.text().to_vec()).collect();
        let classes: Vec<ClassId> =
            (0..groups.len() * (domains.len() + 1)).map(|_| ClassId(input.number() as u32)).collect();
        assert!(input.0.is_empty());
        let subjects = image.subjects();
        assert_eq!((&literals, &groups), (&subjects.literals, &subjects.groups));
        assert_eq!((&domains, &classes), (&subjects.domains, &subjects.classes));
    }
}

#[test]
fn notes_are_as_the_page_says() {
    for file in IMAGES {
        let image = decode(file).expect("an image");
        let sections = sections(file);
        let plain = inflated(sections[&3]);
        let mut input = Input(&plain);
        let (denies, rules, lengths) = (input.list(), input.steps(1), input.list());
        for ((literal, rule), (denies, length)) in
            image.literals().iter().zip(rules).zip(denies.into_iter().zip(lengths))
        {
            let effect = if denies == 1 { Effect::Deny } else { Effect::Allow };
            assert_eq!((literal.rule, literal.effect), (rule, effect));
            assert_eq!(literal.path, input.bytes(length as usize));
        }
        assert!(input.0.is_empty());

        let plain = inflated(sections[&4]);
        let mut input = Input(&plain);
        let (lines, files, bits, lengths) = (input.steps(1), input.list(), input.list(), input.list());
        let mut texts = Input(input.text());
        let debug = image.debug().expect("a debug section");
        assert_eq!(lines.len(), debug.rules.len());
        for (index, rule) in debug.rules.iter().enumerate() {
            assert_eq!((rule.line, rule.file), (lines[index], files[index]));
            assert_eq!(rule.effect == Effect::Deny, bits[index] & 0xff == 1);
            assert_eq!(rule.level as u32, bits[index] >> 8);
            for (text, length) in [rule.id, rule.text, rule.reason].into_iter().zip(&lengths[index * 3..]) {
                assert_eq!(text.as_bytes(), texts.bytes(*length as usize));
            }
        }
        let nodes = input.text();
        let (base, ends) = (input.list(), input.steps(1));
        let (classes, cells) = (input.list(), input.steps(1));
        let (blob_cells, places, deciders) = (input.list(), input.steps(1), input.steps(3));
        assert!(input.0.is_empty());
        for path in paths(&image) {
            let row = label_after(nodes, 0, &path) as usize;
            let start = row.checked_sub(1).map_or(0, |before| ends[before] as usize);
            let differences = start..ends[row] as usize;
            for class in image.classes() {
                let other = differences.clone().find(|at| classes[*at] == class.0).map(|at| cells[at]);
                let number = other.unwrap_or(base[class.0 as usize]) as usize;
                let named = image.named();
                assert_eq!(
                    named.cell_number(named.label(named.walk(named.start(), &path)), class),
                    Some(number as u32)
                );
                assert_eq!(named.blob_cell(number as u32), blob_cells[number]);
                let of_cell = &deciders[places[number] as usize..];
                let pairs = of_cell[0] as usize;
                let said: Vec<(u32, u32)> =
                    of_cell[1..].chunks(2).take(pairs).map(|pair| (pair[0], pair[1])).collect();
                let cell = named.cell(number as u32);
                let lines = (cell.first_count + cell.denies_count + cell.allows_count) as usize;
                let all: Vec<(u32, u32)> =
                    named.deciders(number as u32).map(|(ops, rule)| (ops.bits(), rule)).collect();
                assert_eq!(all[..pairs], said);
                let of_lines: Vec<u32> = all[pairs..].iter().map(|(_, rule)| *rule).collect();
                assert_eq!(of_lines, of_cell[1 + pairs * 2..][..lines]);
            }
        }
    }
}

#[test]
fn a_signature_is_as_the_page_says() {
    let key = SecretKey::generate().expect("a key");
    let release = Release::new("web", 0x0102_0304_0506_0708).expect("a release");
    let file = sign(IMAGES[0], &key, &release).expect("an image");
    let sections = sections(&file);
    let mut input = Input(sections[&5]);
    assert_eq!(u64_at(input.bytes(8), 0), 0x0102_0304_0506_0708);
    assert_eq!(input.text(), b"web");
    assert!(input.0.is_empty());
    let (public, signature) = sections[&6].split_at(32);
    let signed = [b"boesfs policy image\0", &file[8..16], &file[32..96]].concat();
    let public =
        ed25519_dalek::VerifyingKey::from_bytes(public.try_into().expect("32 bytes")).expect("a key");
    let signature = ed25519_dalek::Signature::from_slice(signature).expect("64 bytes");
    public.verify_strict(&signed, &signature).expect("the signature holds");
}
