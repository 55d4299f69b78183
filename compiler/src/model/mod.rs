//! The policy with every name bound and every field typed: from [`boesfs_grammar::SyntaxTree`], to be lowered to
//! [`crate::rules::RuleSet`] or judged as it stands by the reference evaluator.
//!
//! This stage knows operations and types; it knows no automaton, no image and no plane.
//! Nothing here is simplified: the matcher keeps the author's form, so that the reference evaluator stays obvious.

mod action;
mod annotations;
mod definitions;
mod effect;
mod functions;
mod lints;
mod matcher;
mod members;
mod nearest;
mod opaque;
mod options;
mod resolve;
mod roles;
mod rule_line;
mod shape;
mod tuple;

pub use opaque::STAND_IN;
pub use resolve::{Allow, Settings, resolve};

/// The words the model reads by, for the tests of lists that repeat them with explanations.
#[cfg(test)]
pub(crate) mod words {
    pub(crate) fn functions() -> impl Iterator<Item = &'static str> {
        super::functions::FUNCTIONS.iter().map(|(name, _)| *name)
    }

    pub(crate) fn options() -> impl Iterator<Item = &'static str> {
        super::options::KEYS.into_iter()
    }

    pub(crate) fn annotations() -> impl Iterator<Item = &'static str> {
        super::annotations::KEYS.into_iter()
    }
}

use std::sync::Arc;

use boesfs_abi::op::{ArgType, Op, OpSet};
use boesfs_abi::request::Kind;
use boesfs_abi::verdict::{Audit, Effect, Errno, Level, Verdict};
use boesfs_grammar::Span;

/// A policy that is ready to be decided.
///
/// INVARIANT(typed): every operand is of the type its place asks for; every [`Operand::Field`] indexes a column that
/// every rule has; every `RoleRef` indexes `roles`.
#[derive(Clone, Debug)]
pub struct Model {
    /// Casbin's or `BoesFS`'s layout.
    pub shape: Shape,
    /// How matching rules become a verdict.
    pub effect: PolicyEffect,
    /// The condition under which a rule matches.
    pub matcher: Node,
    /// The columns of `rules`, without `eft`, `priority` and `file|dir`.
    pub columns: Vec<String>,
    /// The `p` lines of the selected type, in file order.
    pub rules: Vec<Rule>,
    /// The role graphs `g`, `g2`, … that the policy declares.
    pub roles: Vec<RoleGraph>,
    /// Action roles: `BoesFS`'s `a` lines, or groups a Casbin-shaped policy defines with `a`.
    pub action_roles: Vec<ActionRole>,
    /// `[options]`.
    pub options: Options,
    /// Under `compat`: the action that is no operation and that [`STAND_IN`] means, if the model was made for one.
    pub word: Option<String>,
}

/// Which layout a policy has (LANGUAGE §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Free columns and an `eft` column.
    Casbin,
    /// `BoesFS`'s columns, `file|dir` and `allow|deny`; decided by nearest entry, subjects by base name.
    Boesfs,
}

/// `[options]`, with the shape's defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What `r.sub` carries.
    pub subject: SubjectMode,
    /// Whether link and rename must not give rights.
    pub moves: Moves,
    /// The sandbox is killed at this many denials.
    pub kill_after: Option<u64>,
    /// What becomes of executing a file without a name.
    pub anonymous_exec: Effect,
    /// Which Casbin is imitated where they differ.
    pub compat: Compat,
}

/// What `r.sub` carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectMode {
    /// The executable the calling process runs now.
    Exe,
    /// The program the sandbox was started with.
    Entry,
}

/// Whether link and rename must not give rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// A move that gives the object a right it did not have is denied.
    NoGain,
    /// Only the operations themselves are judged.
    Judged,
}

/// Which Casbin is imitated where they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    /// Our documented choice.
    Boesfs,
    /// casbin-rs.
    CasbinRs,
    /// Go Casbin.
    CasbinGo,
}

/// How matching rules become a verdict (LANGUAGE §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyEffect {
    /// The effect proper.
    pub base: BaseEffect,
    /// Whether only the nearest entry's rules count; implied in `BoesFS` shape. Never with the two priorities.
    pub nearest: bool,
}

/// The effect without `nearest(…)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseEffect {
    /// `some(where (p.eft == allow))`
    SomeAllow,
    /// `!some(where (p.eft == deny))`
    NoDeny,
    /// both of these
    AllowAndNoDeny,
    /// `priority(p.eft) || DEFAULT`
    Priority(Verdict),
    /// `subjectPriority(p.eft) || DEFAULT`
    SubjectPriority(Verdict),
}

impl BaseEffect {
    /// The verdict when no rule applies.
    #[must_use]
    pub fn default_verdict(self) -> Verdict {
        match self {
            Self::SomeAllow | Self::AllowAndNoDeny => Verdict::Deny,
            Self::NoDeny => Verdict::Allow,
            Self::Priority(default) | Self::SubjectPriority(default) => default,
        }
    }

    /// Whether a rule with `eft` can have any influence.
    #[must_use]
    pub fn looks_at(self, eft: Effect) -> bool {
        match self {
            Self::SomeAllow => eft == Effect::Allow,
            Self::NoDeny => eft == Effect::Deny,
            Self::AllowAndNoDeny | Self::Priority(_) | Self::SubjectPriority(_) => true,
        }
    }
}

/// One `p` line.
#[derive(Clone, Debug)]
pub struct Rule {
    /// One value for each of [`Model::columns`].
    pub fields: Vec<Field>,
    /// `allow` or `deny`.
    pub eft: Effect,
    /// `file|dir` of a `BoesFS`-shaped rule.
    pub scope: Option<Scope>,
    /// The `priority` column, if declared.
    pub priority: Option<i64>,
    /// What `#@` comments said; rules of which nothing is said share it.
    pub annotations: Arc<Annotations>,
    /// The whole line.
    pub span: Span,
    /// Line in its file, from 1.
    pub line: u32,
    /// Which of the sources the line stands in: 0 the policy, 1 the model.
    pub file: u32,
    /// The line as written, without surrounding blanks.
    pub text: Arc<str>,
    /// The rule matches nothing, whatever its fields say (a path that is not normal, a tuple value that is no
    /// number, in `BoesFS` shape; a lint said so).
    pub inert: bool,
}

/// Whether a `BoesFS`-shaped rule stands for an object or for what lies below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The object itself.
    File,
    /// Everything strictly below it (`/` included below `/`).
    Dir,
}

/// What `#@` comments said about a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `id=`
    pub id: Option<String>,
    /// `level=`
    pub level: Level,
    /// `audit=`
    pub audit: Audit,
    /// `errno=`; `None` is the operation's default.
    pub errno: Option<Errno>,
    /// `reason=`
    pub reason: Option<String>,
    /// `allow=`, lint names.
    pub allow: Vec<String>,
}

/// One column of one rule.
#[derive(Clone, Debug)]
pub struct Field {
    /// The bytes as meant: quotes removed, blanks trimmed, one trailing `/` of a `BoesFS` path dropped.
    pub text: Vec<u8>,
    /// Where they stand.
    pub span: Span,
    /// Its operations, if the matcher uses the column as an action. `none` and `default` are the empty set; the
    /// name of an action role is not here but in `role`.
    pub ops: Option<OpSet>,
    /// Index into [`Model::action_roles`], if the column is used as an action and names one. In Casbin shape a field
    /// may name several roles beside operations.
    pub action_roles: Vec<usize>,
    /// Its tuple, if the matcher compares it with `r.args`.
    pub tuple: Option<Box<Tuple>>,
    /// The expression it holds, if the matcher has `eval(p.x)` of it.
    pub eval: Option<Box<Node>>,
}

/// A tuple in a rule: one test for each argument of the rule's operations; missing ones are [`ValueTest::Any`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tuple(pub Vec<ValueTest>);

/// A test of one argument (LANGUAGE §5). Numbers are as [`boesfs_abi::request::ArgValue::Number`] has them; for a
/// signed argument they compare as two's complement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ValueTest {
    /// `*`
    Any,
    /// A number.
    Equals(u64),
    /// `a..b`, both ends included.
    Range(u64, u64),
    /// `<n`, `<=n`, `>n`, `>=n`, `!=n`
    Compare(CompareOp, u64),
    /// `&m`: any bit of it set.
    AnyBit(u64),
    /// A literal path or text.
    Literal(Vec<u8>),
    /// A path pattern, as for `pathMatch`.
    Pattern(Vec<u8>),
    /// Not a value of this argument: it matches nothing (`BoesFS` shape; a lint said so).
    Nothing,
}

/// One action role: a set of (operations, tuple) pairs.
#[derive(Clone, Debug)]
pub struct ActionRole {
    /// Its name.
    pub name: String,
    /// Its lines. An empty tuple tests nothing.
    pub members: Vec<(OpSet, Tuple)>,
    /// Its first line's name.
    pub span: Span,
}

/// A role relation: edges from member to role.
#[derive(Clone, Debug, Default)]
pub struct RoleGraph {
    /// `g`, `g2`, …
    pub name: String,
    /// Whether lines have a domain.
    pub has_domain: bool,
    /// The edges, in file order. Acyclic, for each domain.
    pub edges: Vec<RoleEdge>,
}

/// One `g` line.
#[derive(Clone, Debug)]
pub struct RoleEdge {
    /// Who has the role.
    pub member: Vec<u8>,
    /// The role.
    pub role: Vec<u8>,
    /// In which domain, if the graph has domains.
    pub domain: Option<Vec<u8>>,
    /// Where the member stands.
    pub member_span: Span,
    /// Where the role stands.
    pub role_span: Span,
    /// The line.
    pub span: Span,
    /// Line in its file, from 1.
    pub line: u32,
}

/// A part of the matcher with its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it says.
    pub expr: Expr,
    /// Where it stands.
    pub span: Span,
}

/// The matcher.
#[derive(Clone, Debug)]
pub enum Expr {
    /// `true`, `false`
    Const(bool),
    /// `!x`
    Not(Box<Node>),
    /// `x && y`
    And(Vec<Node>),
    /// `x || y`
    Or(Vec<Node>),
    /// `x == y` and its kin. With [`Operand::Request`] on one side the meaning follows the request's field:
    /// `sub` compares as a subject (LANGUAGE §3), `act` is membership in the operand's operations, `obj` and `dom`
    /// compare bytes, `uid`, `gid` and arguments compare numbers (an argument of path type: bytes), `kind` words.
    /// Without one it is a constant of the rule: equality of texts, order of numbers. Never two request sides.
    Compare(CompareOp, Operand, Operand),
    /// `x in (a, b)`: as `==` with each.
    In(Operand, Vec<Operand>),
    /// `g(x, y)`, `g(x, y, dom)`: `y` reachable from `x`, or equal to it.
    Role {
        /// Index into [`Model::roles`].
        graph: usize,
        /// The member.
        member: Operand,
        /// The role.
        role: Operand,
        /// The domain, if the graph has domains.
        domain: Option<Operand>,
    },
    /// A path function of `r.obj` and a pattern of the policy's side.
    Path {
        /// Which one.
        function: PathFunction,
        /// The pattern or directory; never a request's field.
        pattern: Operand,
        /// Where it stands.
        pattern_span: Span,
    },
    /// `r.args == p.x`: the tuple in that column.
    Args(usize),
    /// `a(r.act, p.act; r.args, p.args)`: the action roles (and plain operations, which have no tuple) in that column.
    ActionRole(usize),
    /// `eval(p.x)`: the expression in that column of the rule.
    Eval(usize),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// A path function (LANGUAGE §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PathFunction {
    /// Casbin's `keyMatch`.
    KeyMatch,
    /// Casbin's `keyMatch2`.
    KeyMatch2,
    /// Casbin's `keyMatch3`.
    KeyMatch3,
    /// Casbin's `keyMatch5`.
    KeyMatch5,
    /// Casbin's `globMatch`.
    GlobMatch,
    /// Casbin's `regexMatch`.
    RegexMatch,
    /// `pathMatch`
    PathMatch,
    /// `under`: strictly below.
    Under,
    /// `within`: below or the same.
    Within,
}

/// A value in the matcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A field of the request.
    Request(RequestField),
    /// A column of the rule: index into [`Model::columns`] and [`Rule::fields`].
    Field(usize),
    /// A string literal. Compared with `r.act` it holds operations, groups or roles: see `ops`.
    Text {
        /// The bytes.
        text: Vec<u8>,
        /// The operations it stands for, when compared with `r.act`.
        ops: Option<OpSet>,
    },
    /// A number literal, as [`boesfs_abi::request::ArgValue::Number`] has it.
    Number(u64),
    /// `p.eft`, `p.priority` or the scope column have no place in a matcher; everything else is above.
    Kind(Kind),
}

/// A field of the request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RequestField {
    /// `r.sub`
    Sub,
    /// `r.obj`
    Obj,
    /// `r.act`
    Act,
    /// `r.dom`
    Dom,
    /// `r.uid`
    Uid,
    /// `r.gid`
    Gid,
    /// `r.kind`
    Kind,
    /// `r.args.NAME`: the argument of that name, of whichever operation has it. All of one name have one type.
    Arg(&'static str, ArgType),
}

impl RequestField {
    /// The place of this argument in `op`'s tuple, if it is one.
    #[must_use]
    pub fn arg_index(&self, op: Op) -> Option<usize> {
        let Self::Arg(name, _) = self else { return None };
        op.spec().args.iter().position(|arg| arg.name == *name)
    }
}
