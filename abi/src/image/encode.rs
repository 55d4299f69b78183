//! Sections to a file.

use sha2::{Digest, Sha256};

use super::decode::decode;
use super::packed::pack;
use super::{
    Debug, HEADER_LEN, ImageError, Literal, MAGIC, Reader, SECTION_LEN, SectionKind, VERSION, ValidImage,
    Writer,
};
use crate::layout::fingerprint;
use crate::subjects::{SubjectLiteral, Subjects};
use crate::verdict::Effect;

/// What an image is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The blob of [`crate::layout`].
    pub blob: Vec<u8>,
    /// Subjects, domains and classes.
    pub subjects: Subjects,
    /// Literal paths of rules.
    pub literals: Vec<Literal>,
    /// For people; left out of a stripped image.
    pub debug: Option<Debug>,
}

/// The file of `parts`. It has passed [`decode`], so what is written can be loaded.
///
/// # Errors
/// As [`decode`]: the caller has built something that is not an image.
pub fn encode(parts: &Parts) -> Result<Vec<u8>, ImageError> {
    let file = file_of(parts, false);
    decode(&file)?;
    Ok(file)
}

/// As [`encode`], with what [`decode`] made of the file. The parts are gone before that: of a large policy there is no room
/// for both. With `threads` the two largest sections are packed side by side.
///
/// # Errors
/// As [`encode`].
pub fn encode_read_back(parts: Parts, threads: bool) -> Result<(Vec<u8>, ValidImage), ImageError> {
    let file = file_of(&parts, threads);
    drop(parts);
    let image = decode(&file)?;
    Ok((file, image))
}

fn file_of(parts: &Parts, threads: bool) -> Vec<u8> {
    let subjects = encode_subjects(&parts.subjects);
    let literals = || pack(&encode_literals(&parts.literals));
    let debug = || parts.debug.as_ref().map(|debug| pack(&debug.encode()));
    // The two take long of a large policy, and neither needs the other.
    let (literals, debug) = if threads {
        std::thread::scope(|scope| {
            let literals = scope.spawn(literals);
            let debug = debug();
            (literals.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), debug)
        })
    } else {
        (literals(), debug())
    };
    let mut sections: Vec<(SectionKind, &[u8])> = vec![
        (SectionKind::Blob, &parts.blob),
        (SectionKind::Subjects, &subjects),
        (SectionKind::Literals, &literals),
    ];
    if let Some(debug) = &debug {
        sections.push((SectionKind::Debug, debug));
    }
    assemble(&sections)
}

/// The image without what is there for people only, and without a signature, which spoke of more.
///
/// # Errors
/// As [`decode`].
pub fn strip(file: &[u8]) -> Result<Vec<u8>, ImageError> {
    let image = decode(file)?;
    encode(&Parts {
        blob: image.blob().to_vec(),
        subjects: image.subjects().clone(),
        literals: image.literals().to_vec(),
        debug: None,
    })
}

/// The file of `sections`, which stand in order.
pub(super) fn assemble<B: AsRef<[u8]>>(sections: &[(SectionKind, B)]) -> Vec<u8> {
    let mut table = Vec::new();
    let mut body = Vec::new();
    let body_start = HEADER_LEN + sections.len() * SECTION_LEN;
    for (kind, bytes) in sections {
        let bytes = bytes.as_ref();
        table.extend_from_slice(&(*kind as u32).to_le_bytes());
        table.extend_from_slice(&[0; 4]);
        table.extend_from_slice(&((body_start + body.len()) as u64).to_le_bytes());
        table.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        body.extend_from_slice(bytes);
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let (id, rest) = digests(sections.iter().map(|(kind, bytes)| (*kind, bytes.as_ref())));
    let mut file = Vec::with_capacity(body_start + body.len());
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&fingerprint().to_le_bytes());
    file.extend_from_slice(&((body_start + body.len()) as u64).to_le_bytes());
    file.extend_from_slice(&(sections.len() as u32).to_le_bytes());
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(&id);
    file.extend_from_slice(&rest);
    file.extend_from_slice(&table);
    file.extend_from_slice(&body);
    file
}

/// The digests of the sections that decide and of the others; each section counts with its kind and length.
pub(super) fn digests<'a>(sections: impl Iterator<Item = (SectionKind, &'a [u8])>) -> ([u8; 32], [u8; 32]) {
    let mut hashes = [Sha256::new(), Sha256::new()];
    for (kind, bytes) in sections.filter(|(kind, _)| kind.is_hashed()) {
        let hash = &mut hashes[usize::from(!kind.decides())];
        hash.update((kind as u32).to_le_bytes());
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    let [id, rest] = hashes;
    (id.finalize().into(), rest.finalize().into())
}

fn encode_subjects(subjects: &Subjects) -> Vec<u8> {
    let mut w = Writer::default();
    w.number(subjects.literals.len() as u32);
    for literal in &subjects.literals {
        match literal {
            SubjectLiteral::Path(text) => {
                w.number(0);
                w.bytes(text);
            }
            SubjectLiteral::Name(text) => {
                w.number(1);
                w.bytes(text);
            }
        }
    }
    w.number(subjects.groups.len() as u32);
    for (path, name) in &subjects.groups {
        w.number(path.map_or(0, |index| index + 1));
        w.number(name.map_or(0, |index| index + 1));
    }
    w.number(subjects.domains.len() as u32);
    for domain in &subjects.domains {
        w.bytes(domain);
    }
    for class in &subjects.classes {
        w.number(class.0);
    }
    w.0
}

fn encode_literals(literals: &[Literal]) -> Vec<u8> {
    let mut w = Writer::default();
    let mut last = 0;
    w.numbers(literals.iter().map(|literal| u32::from(literal.effect == Effect::Deny)));
    w.numbers(
        literals.iter().map(|literal| literal.rule.wrapping_sub(std::mem::replace(&mut last, literal.rule))),
    );
    w.numbers(literals.iter().map(|literal| literal.path.len() as u32));
    literals.iter().for_each(|literal| w.0.extend_from_slice(&literal.path));
    w.0
}

/// Reads the subjects section; `None` if it is malformed.
pub(super) fn decode_subjects(bytes: &[u8], class_count: u32) -> Option<Subjects> {
    use super::ClassId;
    let mut r = Reader(bytes);
    let mut subjects = Subjects::default();
    for _ in 0..r.count(8)? {
        subjects.literals.push(match r.number()? {
            0 => SubjectLiteral::Path(r.bytes()?.to_vec()),
            1 => SubjectLiteral::Name(r.bytes()?.to_vec()),
            _ => return None,
        });
    }
    let mut unique = subjects.literals.clone();
    unique.sort();
    unique.dedup();
    if unique.len() != subjects.literals.len() {
        return None;
    }
    for _ in 0..r.count(8)? {
        let (path, name) = (r.number()?.checked_sub(1), r.number()?.checked_sub(1));
        let literal = |index: Option<u32>| index.map(|index| subjects.literals.get(index as usize));
        let fits = !matches!(literal(path), Some(None | Some(SubjectLiteral::Name(_))))
            && !matches!(literal(name), Some(None | Some(SubjectLiteral::Path(_))));
        if !fits || subjects.groups.last().is_some_and(|last| *last >= (path, name)) {
            return None;
        }
        subjects.groups.push((path, name));
    }
    if subjects.groups.first() != Some(&(None, None)) {
        return None;
    }
    for _ in 0..r.count(4)? {
        subjects.domains.push(r.bytes()?.to_vec());
    }
    let mut unique: Vec<&Vec<u8>> = subjects.domains.iter().collect();
    unique.sort();
    if unique.windows(2).any(|pair| pair[0] == pair[1]) {
        return None;
    }
    for _ in 0..subjects.groups.len().checked_mul(subjects.domains.len() + 1)? {
        let class = r.number()?;
        if class >= class_count {
            return None;
        }
        subjects.classes.push(ClassId(class));
    }
    r.finished().then_some(subjects)
}

/// Reads the literals section; `None` if it is malformed.
pub(super) fn decode_literals(bytes: &[u8]) -> Option<Vec<Literal>> {
    let mut r = Reader(bytes);
    let (effects, steps, lengths) = (r.numbers()?, r.numbers()?, r.numbers()?);
    if [steps.len(), lengths.len()] != [effects.len(); 2] {
        return None;
    }
    let mut literals = Vec::with_capacity(effects.len());
    let mut rule = 0u32;
    for ((effect, step), length) in effects.into_iter().zip(steps).zip(lengths) {
        let effect = match effect {
            0 => Effect::Allow,
            1 => Effect::Deny,
            _ => return None,
        };
        rule = rule.wrapping_add(step);
        literals.push(Literal { effect, rule, path: r.take(length as usize)?.to_vec() });
    }
    r.finished().then_some(literals)
}
