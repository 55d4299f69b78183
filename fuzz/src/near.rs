//! Requests near a policy's rules, where engines could differ: its own paths and their neighbours, its own subjects,
//! operations and numbers and those just beside them.

use crate::draw::Draw;
use boesfs_abi::op::{ArgType, OPS, Op, OpSet};
use boesfs_abi::request::{ArgValue, Kind, Request, is_canonical};
use boesfs_compiler::model::{CompareOp, Model, Rule, Scope, ValueTest};

/// Paths at and around those in the rules' fields.
#[must_use]
pub fn paths_near(model: &Model) -> Vec<Vec<u8>> {
    let mut paths: Vec<Vec<u8>> = vec![b"/".to_vec(), b"/nowhere".to_vec(), b"/nowhere/x".to_vec()];
    let fields = model.rules.iter().flat_map(|rule| &rule.fields);
    paths.extend(fields.flat_map(|field| around(&field.text)));
    paths.sort();
    paths.dedup();
    paths
}

/// The path or pattern in `text`, its parent, and names below and beside it; nothing if it is neither.
fn around(text: &[u8]) -> Vec<Vec<u8>> {
    if text.first() != Some(&b'/') || text.len() > 512 {
        return Vec::new();
    }
    // Pattern characters become bytes, so that a pattern gives paths it may match.
    let special = |byte: &u8| b"*?[]{}\\:+()|^$".contains(byte);
    let plain: Vec<u8> = text.iter().map(|byte| if special(byte) { b'a' } else { *byte }).collect();
    let without: Vec<u8> = text.iter().filter(|byte| !special(byte)).copied().collect();
    let mut paths = Vec::new();
    for base in [text.to_vec(), plain, without] {
        if base.is_empty() {
            continue;
        }
        let end = base.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let top: &[u8] = if base == b"/" { b"" } else { &base };
        paths.push(base[..end.max(1)].to_vec());
        paths.push([top, b"/x"].concat());
        paths.push([top, b"/x/y.txt"].concat());
        paths.push([top, b"x"].concat());
        paths.push(base[..base.len() - 1].to_vec());
        paths.push(base.clone());
        paths.push(base);
    }
    paths.retain(|path| is_canonical(path));
    paths
}

/// `most` requests at most, the same for the same model and seed: seven of eight aimed at a rule, with its operation and
/// some subject, path and numbers of the policy's; the others drawn from all there are.
#[must_use]
pub fn requests_near(model: &Model, most: usize, seed: u64) -> Vec<Request> {
    let near = Near::new(model);
    let mut draw = Draw::new(seed);
    (0..most).filter_map(|_| near.request(&mut draw)).collect()
}

/// One request for each of `paths` and `callers`, with an operation and values as in [`requests_near`].
#[must_use]
pub fn requests_at(
    model: &Model,
    paths: &[Vec<u8>],
    callers: &[(Vec<u8>, Option<Vec<u8>>)],
    seed: u64,
) -> Vec<Request> {
    let near = Near::new(model);
    let mut draw = Draw::new(seed);
    let places = paths.iter().flat_map(|path| callers.iter().map(move |caller| (path, caller)));
    places
        .filter_map(|(path, (sub, dom))| {
            let aimed = near.aim(&mut draw);
            let op = near.op(aimed, &mut draw);
            let request = Request::new(sub, path, op).ok()?;
            let request = match dom {
                Some(dom) => request.in_domain(dom),
                None => request,
            };
            near.with_values(request, aimed, &mut draw)
        })
        .collect()
}

struct Near<'m> {
    model: &'m Model,
    /// Those that the effect looks at.
    rules: Vec<&'m Rule>,
    paths: Vec<Vec<u8>>,
    subjects: Vec<Vec<u8>>,
    domains: Vec<Vec<u8>>,
    numbers: Vec<u64>,
}

impl<'m> Near<'m> {
    fn new(model: &'m Model) -> Self {
        Self {
            paths: paths_near(model),
            subjects: subjects(model),
            domains: domains(model),
            numbers: numbers(model),
            rules: model.rules.iter().filter(|rule| model.effect.base.looks_at(rule.eft)).collect(),
            model,
        }
    }

    /// A rule, more often than not.
    fn aim(&self, draw: &mut Draw) -> Option<&'m Rule> {
        (!self.rules.is_empty() && draw.below(8) > 0).then(|| *draw.of(&self.rules))
    }

    /// An operation, of the rule's if there is one.
    fn op(&self, aimed: Option<&Rule>, draw: &mut Draw) -> Op {
        let any = OPS[draw.below(Op::COUNT)].op;
        let Some(rule) = aimed else { return any };
        let roles = &self.model.action_roles;
        let own = rule.fields.iter().filter_map(|field| field.ops);
        let of_roles = rule.fields.iter().flat_map(|field| &field.action_roles);
        let of_roles = of_roles.flat_map(|role| roles[*role].members.iter().map(|(ops, _)| *ops));
        let ops: Vec<Op> = own.chain(of_roles).flat_map(OpSet::iter).collect();
        if ops.is_empty() { any } else { *draw.of(&ops) }
    }

    fn request(&self, draw: &mut Draw) -> Option<Request> {
        let aimed = self.aim(draw);
        let op = self.op(aimed, draw);
        let mut path = draw.of(&self.paths).clone();
        let mut sub = draw.of(&self.subjects).clone();
        if let Some(rule) = aimed {
            let texts = rule.fields.iter().map(|field| &field.text);
            let mut around: Vec<Vec<u8>> = texts.clone().flat_map(|text| around(text)).collect();
            // A rule on what is below a directory says nothing of the directory.
            if rule.scope == Some(Scope::Dir) && draw.below(4) > 0 {
                let own: Vec<&Vec<u8>> = texts.clone().collect();
                around
                    .retain(|path| own.iter().any(|text| path.len() > text.len() && path.starts_with(text)));
            } else if rule.scope == Some(Scope::File) && draw.below(4) > 0 {
                around.retain(|path| texts.clone().any(|text| text == path));
            }
            if !around.is_empty() {
                path = draw.of(&around).clone();
            }
            let mut named: Vec<Vec<u8>> = texts.take(1).flat_map(|text| self.members(text)).collect();
            // Below the name of a role stand those that have it, and a role is no program.
            if named.len() > 1 {
                named.remove(0);
            }
            if !named.is_empty() && draw.below(8) > 0 {
                sub = draw.of(&named).clone();
            }
        }
        let mut request = Request::new(&sub, &path, op).ok()?;
        if draw.below(3) > 0 && !self.domains.is_empty() {
            let domain: &Vec<u8> = draw.of(&self.domains);
            request = request.in_domain(domain);
        }
        self.with_values(request, aimed, draw)
    }

    /// `request` with values for its arguments and its caller.
    fn with_values(&self, mut request: Request, aimed: Option<&Rule>, draw: &mut Draw) -> Option<Request> {
        let op = request.op();
        if draw.below(4) > 0 {
            let tests =
                aimed.filter(|_| draw.below(4) > 0).map_or_else(Vec::new, |rule| self.tests(rule, op));
            let args = op.spec().args.iter().enumerate();
            let args = args.map(|(place, spec)| match tests.get(place) {
                Some(test) => self.fitting(test, spec.ty, draw),
                None => self.argument(spec.ty, draw),
            });
            request = request.with_args(args.collect()).ok()?;
        }
        let id = |draw: &mut Draw| {
            let known = draw.below(3) > 0;
            known.then(|| u32::try_from(*draw.of(&self.numbers) & 0xffff_ffff).unwrap_or(0))
        };
        request.uid = id(draw);
        request.gid = id(draw);
        request.kind = (draw.below(3) > 0).then(|| *draw.of(&Kind::ALL));
        Some(request)
    }

    /// The tests that `rule` makes of the arguments of `op`, as far as it has a tuple.
    fn tests(&self, rule: &Rule, op: Op) -> Vec<ValueTest> {
        let roles = rule.fields.iter().flat_map(|field| &field.action_roles);
        let members = roles.flat_map(|role| &self.model.action_roles[*role].members);
        let of_roles = members.filter(|(ops, _)| ops.contains(op)).map(|(_, tuple)| tuple);
        let own = rule.fields.iter().filter_map(|field| field.tuple.as_deref());
        own.chain(of_roles).next().map_or_else(Vec::new, |tuple| tuple.0.clone())
    }

    /// A value that passes `test`, if one is easily found.
    fn fitting(&self, test: &ValueTest, ty: ArgType, draw: &mut Draw) -> ArgValue {
        match test {
            ValueTest::Equals(n) | ValueTest::AnyBit(n) => ArgValue::Number(*n),
            ValueTest::Range(from, to) => ArgValue::Number(*draw.of(&[*from, *to])),
            ValueTest::Compare(CompareOp::Lt, n) => ArgValue::Number(n.wrapping_sub(1)),
            ValueTest::Compare(CompareOp::Gt | CompareOp::Ne, n) => ArgValue::Number(n.wrapping_add(1)),
            ValueTest::Compare(CompareOp::Eq | CompareOp::Le | CompareOp::Ge, n) => ArgValue::Number(*n),
            ValueTest::Literal(text) => ArgValue::Bytes(text.clone()),
            ValueTest::Pattern(text) => {
                around(text).into_iter().next_back().map_or_else(|| self.argument(ty, draw), ArgValue::Bytes)
            }
            ValueTest::Any | ValueTest::Nothing => self.argument(ty, draw),
        }
    }

    fn argument(&self, ty: ArgType, draw: &mut Draw) -> ArgValue {
        match (draw.below(8), ty) {
            (0, _) => ArgValue::Unknown,
            (1, _) => ArgValue::Absent,
            (_, ArgType::Unsigned | ArgType::Signed) => ArgValue::Number(*draw.of(&self.numbers)),
            (_, ArgType::Path | ArgType::Text) => ArgValue::Bytes(draw.of(&self.paths).clone()),
        }
    }

    /// The program that `text` names, or those that have it as a role.
    fn members(&self, text: &[u8]) -> Vec<Vec<u8>> {
        let mut members = vec![text.to_vec()];
        let mut at = 0;
        while at < members.len() && members.len() < 32 {
            for edge in self.model.roles.iter().flat_map(|graph| &graph.edges) {
                if edge.role == members[at] && !members.contains(&edge.member) {
                    members.push(edge.member.clone());
                }
            }
            at += 1;
        }
        members
    }
}

fn domains(model: &Model) -> Vec<Vec<u8>> {
    let edges = model.roles.iter().flat_map(|graph| &graph.edges);
    let mut domains: Vec<Vec<u8>> = edges.filter_map(|edge| edge.domain.clone()).collect();
    domains.sort();
    domains.dedup();
    domains
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
        model.rules.iter().flat_map(|rule| rule.fields.iter().filter_map(|field| field.tuple.as_deref()));
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
