//! Policies of many rules, and requests about them. One size gives one policy, on any machine.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use boesfs_abi::image::{ClassId, State, ValidImage, decode};
use boesfs_abi::op::Op;

/// What the rules of a policy name: one file each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Files in a tree of directories: 29 bytes of directory, `/`, and a name of 10 bytes.
    Tree,
    /// 39 random letters below `/`: nothing but first letters is shared.
    Random,
    /// Ten files of [`Form::Tree`], which alone are asked about, and all others as of [`Form::Random`].
    Around,
    /// As [`Form::Tree`], with directories before it that make the path so long.
    Long(usize),
    /// As [`Form::Tree`] without its directories.
    Short,
}

impl Form {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Tree => "tree".to_owned(),
            Self::Random => "random".to_owned(),
            Self::Around => "around".to_owned(),
            Self::Long(bytes) => format!("{bytes} bytes"),
            Self::Short => "11 bytes".to_owned(),
        }
    }

    fn path(self, rule: usize, random: &mut Mixed) -> String {
        let tree = || {
            let (dir, sub, package) = (rule % 100, rule / 100 % 100, rule / 10_000 % 100);
            format!("/srv/data/d{dir:02}/sub{sub:02}/package{package:02}/file{rule:06}")
        };
        match self {
            Self::Tree => tree(),
            Self::Around if rule < ASKED => tree(),
            Self::Random | Self::Around => std::iter::once('/')
                .chain((0..39).map(|_| char::from(b'a' + random.below(26) as u8)))
                .collect(),
            Self::Long(bytes) => {
                let mut path = "/directory".repeat(bytes / 10 - 4);
                path.push_str(&tree());
                path
            }
            Self::Short => format!("/file{rule:06}"),
        }
    }
}

/// How many rules of [`Form::Around`] are asked about.
const ASKED: usize = 10;
/// How long a policy's text may be.
const MAX_BYTES: &str = "200000000";
/// How many requests a series has.
pub(crate) const REQUESTS: usize = 4096;

/// A policy, its image, and requests that rules allow.
pub(crate) struct Subject {
    pub(crate) form: Form,
    pub(crate) rules: usize,
    pub(crate) text: String,
    pub(crate) image: ValidImage,
    pub(crate) hits: Vec<Question>,
}

/// May this program read this file?
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) sub: String,
    pub(crate) class: ClassId,
    pub(crate) path: Vec<u8>,
    /// Where the walk begins, and how much of the path is read there.
    pub(crate) from: State,
    pub(crate) begun: usize,
}

/// The operation that all requests ask about, as all rules allow it.
pub(crate) const OP: Op = Op::Read;

impl Subject {
    /// Compiled by the program `compiler`; `None` if no image may be so large.
    pub(crate) fn new(compiler: &Path, form: Form, rules: usize) -> Result<Option<Self>> {
        let mut random = Mixed(1);
        let mut text =
            "[request_definition]\nr = sub, obj, act\n\n[policy_definition]\np = sub, obj, act, eft\n\n\
             [policy_effect]\ne = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n\n\
             [matchers]\nm = r.sub == p.sub && r.obj == p.obj && r.act == p.act\n\n[policy]\n"
                .to_owned();
        let paths: Vec<String> = (0..rules).map(|rule| form.path(rule, &mut random)).collect();
        for (rule, path) in paths.iter().enumerate() {
            writeln!(text, "p, {}, {path}, read, allow", program(rule))?;
        }
        let folder = std::env::temp_dir().join(format!("boesfs-bench-policy-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let (policy, file) = (folder.join("policy.conf"), folder.join("policy.bin"));
        std::fs::write(&policy, &text)?;
        let built = Command::new(compiler)
            .args(["build", "--allow", "all", "--strip", "--max-bytes", MAX_BYTES])
            .arg(&policy)
            .arg("-o")
            .arg(&file)
            .output()?;
        if !built.status.success() {
            eprintln!("{} of {rules} rules: {}", form.name(), String::from_utf8_lossy(&built.stderr));
            ensure!(rules >= 1_000_000, "a policy is refused");
            return Ok(None);
        }
        let image = decode(&std::fs::read(&file)?).context("the image")?;
        std::fs::remove_dir_all(&folder)?;
        let asked = if form == Form::Around { ASKED } else { rules };
        let hits = (0..REQUESTS)
            .map(|_| {
                let rule = random.below(asked as u64) as usize;
                Question {
                    sub: program(rule),
                    class: image.class_of(program(rule).as_bytes(), None),
                    path: paths[rule].clone().into_bytes(),
                    from: image.path_start(),
                    begun: 0,
                }
            })
            .collect();
        Ok(Some(Self { form, rules, text, image, hits }))
    }

    /// The same requests with a byte changed somewhere: no rule names these files.
    pub(crate) fn misses(&self) -> Vec<Question> {
        let mut random = Mixed(2);
        let mut misses = self.hits.clone();
        for miss in &mut misses {
            let at = 1 + random.below(miss.path.len() as u64 - 1) as usize;
            miss.path[at] = b'~';
        }
        misses
    }

    /// The same requests, walked from where the file's directory led to: what a remembered directory comes to.
    pub(crate) fn resumed(&self) -> Vec<Question> {
        let mut resumed = self.hits.clone();
        for question in &mut resumed {
            let slash = question.path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            question.from = self.image.walk(question.from, &question.path[..slash]);
            question.begun = slash;
        }
        resumed
    }
}

fn program(rule: usize) -> String {
    format!("/usr/bin/prog{}", rule % 3)
}

/// `SplitMix64`.
pub(crate) struct Mixed(u64);

impl Mixed {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}
