//! Requests near a policy's rules, where engines could differ: its own paths and their neighbours, its own subjects,
//! operations and numbers and those just beside them.

use boesfs_abi::op::{ArgType, OPS, Op};
use boesfs_abi::request::{ArgValue, Kind, Request, is_canonical};
use boesfs_compiler::model::{Model, ValueTest};

/// Paths at and around those in the rules' fields and role lines.
#[must_use]
pub fn paths_near(model: &Model) -> Vec<Vec<u8>> {
    let mut paths: Vec<Vec<u8>> = vec![b"/".to_vec(), b"/nowhere".to_vec(), b"/nowhere/x".to_vec()];
    let fields = model.rules.iter().flat_map(|rule| rule.fields.iter().map(|field| field.text.as_slice()));
    for text in fields {
        if text.first() != Some(&b'/') || text.len() > 512 {
            continue;
        }
        // Pattern characters become bytes, so that a pattern gives paths it may match.
        let plain: Vec<u8> =
            text.iter().map(|byte| if b"*?[]{}\\:+()|^$".contains(byte) { b'a' } else { *byte }).collect();
        for base in [text.to_vec(), plain] {
            let end = base.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            paths.push(base[..end.max(1)].to_vec());
            paths.push([base.as_slice(), b"/x"].concat());
            paths.push([base.as_slice(), b"/x/y.txt"].concat());
            paths.push([base.as_slice(), b"x"].concat());
            paths.push(base[..base.len() - 1].to_vec());
            paths.push(base);
        }
    }
    paths.retain(|path| is_canonical(path));
    paths.sort();
    paths.dedup();
    paths
}

/// At most `most` requests at and around the rules, spread evenly over all there are; the same for the same model.
#[must_use]
pub fn requests_near(model: &Model, most: usize) -> Vec<Request> {
    let paths = paths_near(model);
    let subjects = subjects(model);
    let mut requests = Vec::new();
    // A fixed multiplicative walk: every combination is met sooner or later, and neighbours differ in everything.
    let mut draw: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut pick = |count: usize| {
        draw = draw.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        usize::try_from(draw >> 33).unwrap_or(0) % count.max(1)
    };
    let numbers = numbers(model);
    for _ in 0..most {
        let path = &paths[pick(paths.len())];
        let op = OPS[pick(Op::COUNT)].op;
        let sub = &subjects[pick(subjects.len())];
        let Ok(mut request) = Request::new(sub, path, op) else { continue };
        let mut args = Vec::new();
        for spec in op.spec().args {
            args.push(match (pick(6), spec.ty) {
                (0, _) => ArgValue::Unknown,
                (1, _) => ArgValue::Absent,
                (_, ArgType::Unsigned | ArgType::Signed) => ArgValue::Number(numbers[pick(numbers.len())]),
                (_, ArgType::Path | ArgType::Text) => ArgValue::Bytes(paths[pick(paths.len())].clone()),
            });
        }
        if pick(2) == 0 {
            request = match request.with_args(args) {
                Ok(request) => request,
                Err(_) => continue,
            };
        }
        request.uid = (pick(3) != 0).then(|| numbers[pick(numbers.len())] as u32);
        request.gid = (pick(3) != 0).then(|| numbers[pick(numbers.len())] as u32);
        request.kind = (pick(3) != 0).then(|| Kind::ALL[pick(Kind::ALL.len())]);
        requests.push(request);
    }
    requests
}

fn subjects(model: &Model) -> Vec<Vec<u8>> {
    let mut subjects = vec![b"/usr/bin/unheard-of".to_vec()];
    let edges = model.roles.iter().flat_map(|graph| &graph.edges);
    let texts = edges
        .flat_map(|edge| [&edge.member, &edge.role])
        .chain(model.rules.iter().flat_map(|rule| rule.fields.iter().take(1).map(|field| &field.text)));
    for text in texts {
        if text.len() > 256 {
            continue;
        }
        let name = text.rsplit(|byte| *byte == b'/').next().unwrap_or(text);
        subjects.push(text.clone());
        subjects.push([b"/opt/", name].concat());
    }
    subjects.sort();
    subjects.dedup();
    subjects
}

fn numbers(model: &Model) -> Vec<u64> {
    let mut numbers = vec![0, 1, 100, 0o100_644, u64::MAX, 1 << 63];
    let tuples =
        model.rules.iter().flat_map(|rule| rule.fields.iter().filter_map(|field| field.tuple.as_ref()));
    let members = model.action_roles.iter().flat_map(|role| role.members.iter().map(|(_, tuple)| tuple));
    for test in tuples.chain(members).flat_map(|tuple| &tuple.0) {
        match test {
            ValueTest::Equals(n) | ValueTest::Compare(_, n) | ValueTest::AnyBit(n) => {
                numbers.extend([n.wrapping_sub(1), *n, n.wrapping_add(1)]);
            }
            ValueTest::Range(from, to) => {
                numbers.extend([from.wrapping_sub(1), *from, *to, to.wrapping_add(1)]);
            }
            ValueTest::Any | ValueTest::Literal(_) | ValueTest::Pattern(_) | ValueTest::Nothing => {}
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
