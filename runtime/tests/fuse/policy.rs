//! A policy small enough to be read here: what is listed is denied, all else is allowed.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use boesfs_abi::image::ClassId;
use boesfs_abi::judge::{Caller, Creates, Intent};
use boesfs_abi::op::Op;
use boesfs_abi::request::{ArgValue, Kind};
use boesfs_abi::verdict::{Errno, Level, Reason, Verdict};
use boesfs_runtime::events::{Cause, EventErrno, RuleRef};
use boesfs_runtime::fuse::{Decide, Destination, Object, Ruling};

/// `op` on `path` (below the mount; all below it with a `/**` at the end) is denied, if `when` holds for its tuple.
pub(crate) struct Rule {
    pub(crate) op: Op,
    pub(crate) path: &'static str,
    pub(crate) when: Option<fn(&[ArgValue]) -> bool>,
    /// Only for the programs of this class.
    pub(crate) class: Option<u32>,
}

/// Denials.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) rules: Vec<Rule>,
    /// The base names of the programs that are told apart: the class of the first is 1.
    pub(crate) classes: Vec<&'static str>,
    dir: Vec<u8>,
}

/// Denies `op` on `path`.
pub(crate) fn deny(op: Op, path: &'static str) -> Rule {
    Rule { op, path, when: None, class: None }
}

impl Rule {
    pub(crate) fn when(mut self, when: fn(&[ArgValue]) -> bool) -> Self {
        self.when = Some(when);
        self
    }

    pub(crate) fn class(mut self, class: u32) -> Self {
        self.class = Some(class);
        self
    }
}

impl Rules {
    pub(crate) fn none() -> Self {
        Self::default()
    }

    pub(crate) fn of(rules: Vec<Rule>) -> Self {
        Self { rules, ..Self::default() }
    }

    /// The same, telling the programs with these base names apart.
    pub(crate) fn telling(mut self, classes: &[&'static str]) -> Self {
        self.classes = classes.to_vec();
        self
    }

    pub(crate) fn under(mut self, dir: &Path) -> Self {
        self.dir = dir.as_os_str().as_bytes().to_vec();
        self
    }

    fn below<'a>(&self, path: &'a [u8]) -> &'a [u8] {
        path.strip_prefix(&self.dir[..]).expect("a path below the mount")
    }

    fn denies(&self, caller: &Caller, path: &[u8], op: Op, args: &[ArgValue]) -> bool {
        let path = self.below(path);
        self.rules.iter().any(|rule| {
            let here = match rule.path.strip_suffix("/**") {
                Some(dir) => path.strip_prefix(dir.as_bytes()).is_some_and(|rest| rest.starts_with(b"/")),
                None => path == rule.path.as_bytes(),
            };
            // An unknown value may be any.
            let applies = |when: fn(&[ArgValue]) -> bool| args.contains(&ArgValue::Unknown) || when(args);
            here && rule.op == op
                && rule.when.is_none_or(applies)
                && rule.class.is_none_or(|class| ClassId(class) == caller.class)
        })
    }

    fn ruling(&self, verdict: Verdict, cause: Cause, object: &[u8], op: Op, args: &[ArgValue]) -> Ruling {
        let hidden = cause == Cause::Because(Reason::Hidden);
        Ruling {
            verdict,
            errno: EventErrno::Policy(if hidden || op == Op::Lookup { Errno::Noent } else { Errno::Acces }),
            cause,
            level: Level::Event,
            report: verdict == Verdict::Deny,
            op,
            path: object.to_vec(),
            args: args.to_vec(),
        }
    }

    fn hidden(&self, caller: &Caller, path: &[u8]) -> bool {
        let below = self.below(path);
        let ends = below.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let start = self.dir.len();
        ends.chain([below.len()])
            .filter(|end| *end > 0)
            .any(|end| self.denies(caller, &path[..start + end], Op::Lookup, &[ArgValue::Unknown]))
    }

    fn all(&self, caller: &Caller, asked: &[(&[u8], Op, &[ArgValue])]) -> Ruling {
        let rule = || Cause::Rule(RuleRef { id: "test".into(), line: 1, text: String::new() });
        for (path, op, args) in asked {
            if self.hidden(caller, path) && *op != Op::Lookup {
                return self.ruling(Verdict::Deny, Cause::Because(Reason::Hidden), path, *op, args);
            }
            if self.denies(caller, path, *op, args) {
                return self.ruling(Verdict::Deny, rule(), path, *op, args);
            }
        }
        let (path, op, args) = asked[0];
        self.ruling(Verdict::Allow, rule(), path, op, args)
    }
}

fn making(kind: Option<Kind>) -> Op {
    match kind {
        Some(Kind::Dir) => Op::Mkdir,
        Some(Kind::Symlink) => Op::Symlink,
        Some(Kind::File) | None => Op::Create,
        Some(Kind::Fifo | Kind::Socket | Kind::Block | Kind::Char) => Op::Mknod,
    }
}

impl Decide for Rules {
    fn classes(&self) -> u32 {
        1 + u32::try_from(self.classes.len()).unwrap()
    }

    fn class_of(&self, path: &[u8]) -> ClassId {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        let class = self.classes.iter().position(|class| class.as_bytes() == name);
        ClassId(class.map_or(0, |class| u32::try_from(class).unwrap() + 1))
    }

    fn hides(&self) -> bool {
        self.rules.iter().any(|rule| rule.op == Op::Lookup)
    }

    fn reads_unmapped(&self) -> bool {
        self.rules.iter().any(|rule| rule.op == Op::Mmap)
    }

    fn ask(&self, caller: &Caller, object: Object<'_>, op: Op, args: &[ArgValue]) -> Ruling {
        assert_eq!(args.len(), op.spec().args.len(), "the tuple of {op}");
        self.all(caller, &[(object.path, op, args)])
    }

    fn open(&self, caller: &Caller, object: Object<'_>, flags: &ArgValue, intent: Intent) -> Ruling {
        let flags = std::slice::from_ref(flags);
        let all = [ArgValue::Unknown, ArgValue::Unknown];
        let mut asked: Vec<(&[u8], Op, &[ArgValue])> = Vec::new();
        if !intent.by_kernel {
            asked.push((object.path, Op::Open, flags));
        }
        let mode = match intent.creates {
            Creates::New(Some(mode)) => Some([ArgValue::Number(mode.into())]),
            Creates::New(None) | Creates::No => None,
        };
        asked.extend(mode.iter().map(|mode| (object.path, Op::Create, &mode[..])));
        // What is denied for some tuples only is left to the read or write itself.
        let partly = |op: &Op| self.rules.iter().any(|rule| rule.op == *op && rule.when.is_some());
        let uses = intent.uses.iter().filter(|op| !partly(op));
        asked.extend(uses.map(|op| (object.path, op, &all[..op.spec().args.len()])));
        self.all(caller, &asked)
    }

    fn rename(&self, caller: &Caller, old: Object<'_>, new: &[u8], to: Destination) -> Ruling {
        let target = [ArgValue::Bytes(new.to_vec())];
        let back = [ArgValue::Bytes(old.path.to_vec())];
        let mut asked: Vec<(&[u8], Op, &[ArgValue])> = vec![(old.path, Op::Rename, &target)];
        asked.push((new, making(old.kind), &[]));
        match to {
            Destination::Free => {}
            Destination::Replaced(Kind::Dir) => asked.push((new, Op::Rmdir, &[])),
            Destination::Replaced(_) => asked.push((new, Op::Unlink, &[])),
            Destination::Exchanged(_) => asked.push((new, Op::Rename, &back)),
        }
        self.all(caller, &asked)
    }

    fn link(&self, caller: &Caller, old: Object<'_>, new: &[u8]) -> Ruling {
        let target = [ArgValue::Bytes(new.to_vec())];
        self.all(caller, &[(old.path, Op::Link, &target), (new, Op::Create, &[])])
    }

    fn symlink(&self, caller: &Caller, link: &[u8], target: &[u8]) -> Ruling {
        self.all(caller, &[(link, Op::Symlink, &[ArgValue::Bytes(target.to_vec())])])
    }
}
