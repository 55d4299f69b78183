//! `boesfsc query`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use boesfs_abi::op::{GROUPS, OPS, Op, OpSet};
use boesfs_abi::verdict::Verdict;
use boesfs_compiler::compare::{Limits, Query, QueryError, Side, is_named, query};
use boesfs_compiler::diagnostic::closest;
use boesfs_compiler::model::Model;
use boesfs_compiler::shown::shown;
use clap::{Args, ValueEnum};

use super::compared::{ComparingLimits, Loaded};
use super::given::Reading;
use super::{CommandError, Exit, Format, Screen};

/// Arguments of `query`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is left out is asked of everything. Decisions are asked about, not effective decisions.
Exit status: 0 if some request is so, 1 if none; with --expect, 0 if it is as expected, else 1.

Examples:
  boesfsc query policy.conf --sub /bin/bash                         what may bash do?
  boesfsc query policy.conf --act @modify --obj '/etc/**'           who may change what below /etc?
  boesfsc query policy.conf --act write --obj '/etc/**' --expect none
  boesfsc query policy.conf --sub builders --verdict deny           what is denied to members of a role?")]
pub(super) struct QueryArgs {
    /// The policy, or an image.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// The program: a path, a base name, or a role of the policy (its members then).
    #[arg(long, value_name = "PROGRAM")]
    sub: Option<OsString>,
    /// The sandbox's name.
    #[arg(long, value_name = "NAME")]
    dom: Option<OsString>,
    /// An operation or a group; may be repeated.
    #[arg(long, value_name = "OP|@GROUP", value_parser = ops)]
    act: Vec<OpSet>,
    /// The paths, as `pathMatch` takes them.
    #[arg(long, value_name = "PATTERN")]
    obj: Option<OsString>,
    /// What is to be found.
    #[arg(long, value_enum, default_value_t = VerdictArg::Allow)]
    verdict: VerdictArg,
    /// What there should be.
    #[arg(long, value_enum)]
    expect: Option<ExpectArg>,
    /// How many answers to show; all are counted.
    #[arg(long, value_name = "N", default_value_t = Limits::default().findings)]
    max_answers: usize,
    #[command(flatten)]
    limits: ComparingLimits,
    #[command(flatten)]
    reading: Reading,
}

/// Which decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum VerdictArg {
    /// What is allowed.
    Allow,
    /// What is denied.
    Deny,
    /// Both.
    Any,
}

/// What there should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExpectArg {
    /// No such request.
    None,
    /// At least one.
    Some,
}

/// The operations that `text` means.
fn ops(text: &str) -> Result<OpSet, String> {
    if let Some(op) = Op::from_name(text) {
        return Ok(OpSet::of(&[op.decided_as()]));
    }
    if text == "*" || text == "any" {
        return Ok(OpSet::ALL);
    }
    if let Some((_, ops)) = GROUPS.iter().find(|(name, _)| *name == text) {
        return Ok(*ops);
    }
    let known = OPS.iter().map(|spec| spec.name).chain(GROUPS.iter().map(|(name, _)| *name));
    Err(match closest(text, known) {
        Some(name) => format!("unknown operation, did you mean `{name}`?"),
        None => "unknown operation".to_owned(),
    })
}

impl QueryArgs {
    pub(super) fn run(&self, screen: &mut Screen) -> Result<Exit, CommandError> {
        let model = self.reading.model.as_deref();
        let loaded = match Loaded::new(&self.reading, &self.policy, model, screen)? {
            Ok(loaded) => loaded,
            Err(exit) => return Ok(exit),
        };
        let Some(side) = loaded.side() else { return Ok(Exit::Refused) };
        let subjects: Vec<Vec<u8>> =
            self.sub.iter().flat_map(|sub| members(loaded.model(), sub.as_bytes())).collect();
        if let Some(sub) = &self.sub
            && let Some(doubt) = doubt(&side, loaded.model(), sub.as_bytes(), &subjects)
        {
            writeln!(io::stderr(), "note: {doubt}")?;
        }
        let asked = Query {
            subjects,
            domain: self.dom.as_ref().map(|dom| dom.as_bytes().to_vec()),
            ops: self.act.iter().fold(OpSet::EMPTY, |all, ops| all.union(*ops)),
            paths: self.obj.as_ref().map(|obj| obj.as_bytes().to_vec()),
            verdict: match self.verdict {
                VerdictArg::Allow => Some(Verdict::Allow),
                VerdictArg::Deny => Some(Verdict::Deny),
                VerdictArg::Any => None,
            },
        };
        let limits = self.limits.limits(&self.reading, self.max_answers);
        let answers = query(&side, &asked, limits).map_err(|error| match error {
            QueryError::Pattern(_) | QueryError::NoPath(_) => CommandError::Usage(error.to_string()),
            QueryError::Limit(error) => error.into(),
        })?;
        match screen.format {
            Format::Human => screen.out.write_all(answers.human().as_bytes())?,
            Format::Json => screen.json(&answers.json())?,
        }
        let some = answers.count > 0;
        Ok(match self.expect {
            Some(ExpectArg::None) if some => Exit::Refused,
            Some(ExpectArg::None) => Exit::Fine,
            Some(ExpectArg::Some) | None if some => Exit::Fine,
            Some(ExpectArg::Some) | None => Exit::Refused,
        })
    }
}

/// What to say where `name` may be a role misspelt: a word that the policy does not have is the base name of a program.
fn doubt(side: &Side<'_>, model: Option<&Model>, name: &[u8], subjects: &[Vec<u8>]) -> Option<String> {
    if name.starts_with(b"/") || subjects != [name] || is_named(side, name) {
        return None;
    }
    let edges = model.into_iter().flat_map(|model| &model.roles).flat_map(|graph| &graph.edges);
    let roles: BTreeSet<String> = edges.map(|edge| shown(&edge.role)).collect();
    let name = shown(name);
    let meant = match (closest(&name, roles.iter().map(String::as_str)), model) {
        (Some(role), _) => format!("did you mean `{role}`?"),
        (None, Some(_)) => "it is taken as a program's base name".to_owned(),
        (None, None) => "it is taken as a program's base name, for an image has no roles".to_owned(),
    };
    Some(format!("nothing in the policy is called `{name}`: {meant}"))
}

/// The programs that `name` means: those that have the role, if it is one.
fn members(model: Option<&Model>, name: &[u8]) -> Vec<Vec<u8>> {
    let edges = || model.into_iter().flat_map(|model| &model.roles).flat_map(|graph| &graph.edges);
    if !edges().any(|edge| edge.role == name) {
        return vec![name.to_vec()];
    }
    let mut found: BTreeSet<&[u8]> = BTreeSet::from([name]);
    let mut todo = vec![name];
    while let Some(role) = todo.pop() {
        for edge in edges().filter(|edge| edge.role == role) {
            if found.insert(&edge.member) {
                todo.push(&edge.member);
            }
        }
    }
    let is_role = |name: &[u8]| edges().any(|edge| edge.role == name);
    found.into_iter().filter(|name| !is_role(name)).map(<[u8]>::to_vec).collect()
}
