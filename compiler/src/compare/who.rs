//! Who can ask: the subjects and domains two policies tell apart together.

use std::collections::{BTreeMap, BTreeSet};

use boesfs_abi::image::{ClassId, ValidImage};
use boesfs_abi::subjects::{SubjectLiteral, base_name};

use crate::shown::shown;

/// Programs that both policies treat as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Program {
    /// The one at this path.
    Path(Vec<u8>),
    /// Those with this base name, but for paths named otherwise.
    Name(Vec<u8>),
    /// Every program that neither policy names.
    Other,
}

/// A program in a domain.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Who {
    /// The program.
    pub program: Program,
    /// The sandbox's name; `None` for every name that neither policy has.
    pub domain: Option<Vec<u8>>,
}

/// Everybody two images know, in joint classes.
pub(super) struct Everybody {
    /// For each pair of classes who is in it.
    pub(super) classes: Vec<(ClassId, ClassId, Vec<Who>)>,
    programs: BTreeSet<Program>,
    domains: BTreeSet<Option<Vec<u8>>>,
}

impl Everybody {
    pub(super) fn new(images: [&ValidImage; 2]) -> Self {
        let mut programs = BTreeSet::from([Program::Other]);
        let mut domains: BTreeSet<Option<Vec<u8>>> = BTreeSet::from([None]);
        for image in images {
            programs.extend(image.subjects().literals.iter().map(|literal| match literal {
                SubjectLiteral::Path(path) => Program::Path(path.clone()),
                SubjectLiteral::Name(name) => Program::Name(name.clone()),
            }));
            domains.extend(image.subjects().domains.iter().cloned().map(Some));
        }
        let mut everybody = Self { classes: Vec::new(), programs, domains };
        let index = images.map(Finder::new);
        let mut classes: BTreeMap<(ClassId, ClassId), Vec<Who>> = BTreeMap::new();
        for program in &everybody.programs {
            for domain in &everybody.domains {
                let [left, right] =
                    [0, 1].map(|side| index[side].class_of(images[side], program, domain.as_deref()));
                let who = Who { program: program.clone(), domain: domain.clone() };
                classes.entry((left, right)).or_default().push(who);
            }
        }
        everybody.classes = classes.into_iter().map(|((left, right), who)| (left, right, who)).collect();
        everybody
    }

    /// A subject's text for a request by `program`.
    pub(super) fn text(&self, program: &Program) -> Vec<u8> {
        let free = |path: &Vec<u8>| {
            !self.programs.contains(&Program::Path(path.clone()))
                && !self.programs.contains(&Program::Name(base_name(path).to_vec()))
        };
        match program {
            Program::Path(path) => path.clone(),
            Program::Name(name) => ["/usr/bin/", "/usr/local/bin/", "/bin/"]
                .into_iter()
                .map(|dir| [dir.as_bytes(), name].concat())
                .find(|path| !self.programs.contains(&Program::Path(path.clone())))
                .unwrap_or_else(|| name.clone()),
            Program::Other => {
                let numbered = (0u64..).map(|number| match number {
                    0 => b"/usr/bin/program".to_vec(),
                    number => format!("/usr/bin/program{number}").into_bytes(),
                });
                numbered.into_iter().find(free).expect("INVARIANT: there are more numbers than names")
            }
        }
    }

    /// Who these are, in words: of both lists, those in and those out, the one that is shorter to say.
    pub(super) fn words(&self, who: &[Who]) -> Vec<String> {
        let mut by_domains: BTreeMap<BTreeSet<&Option<Vec<u8>>>, BTreeSet<&Program>> = BTreeMap::new();
        let mut domains_of: BTreeMap<&Program, BTreeSet<&Option<Vec<u8>>>> = BTreeMap::new();
        for one in who {
            domains_of.entry(&one.program).or_default().insert(&one.domain);
        }
        for (program, domains) in domains_of {
            by_domains.entry(domains).or_default().insert(program);
        }
        let sandboxes = |domains: &BTreeSet<&Option<Vec<u8>>>| {
            if domains.len() == self.domains.len() {
                return String::new();
            }
            if domains.contains(&None) {
                let out: Vec<String> = self
                    .domains
                    .iter()
                    .filter(|domain| !domains.contains(domain))
                    .flatten()
                    .map(|domain| format!("`{}`", shown(domain)))
                    .collect();
                return format!(" in any domain but {}", out.join(", "));
            }
            let names: Vec<String> =
                domains.iter().copied().flatten().map(|domain| format!("`{}`", shown(domain))).collect();
            format!(" in domain {}", names.join(", "))
        };
        let mut words = Vec::new();
        for (domains, programs) in by_domains {
            let place = sandboxes(&domains);
            if programs.contains(&Program::Other) {
                let out: Vec<String> =
                    self.programs.iter().filter(|program| !programs.contains(program)).map(named).collect();
                if out.is_empty() {
                    words.push(format!("any program{place}"));
                    continue;
                }
                if out.len() <= programs.len() || out.len() <= 3 {
                    words.push(format!("any program but {}{place}", out.join(", ")));
                    continue;
                }
            }
            words.extend(programs.into_iter().map(|program| format!("{}{place}", named(program))));
        }
        words
    }
}

/// What the classes of one image are called.
pub(crate) struct Names(Everybody);

impl Names {
    /// The names of the classes of `image`.
    pub(crate) fn of(image: &ValidImage) -> Self {
        Self(Everybody::new([image, image]))
    }

    /// Who is in one of `classes`, in words.
    pub(crate) fn words(&self, classes: &[ClassId]) -> Vec<String> {
        let found = self.0.classes.iter().filter(|(class, _, _)| classes.contains(class));
        self.0.words(&found.flat_map(|(_, _, who)| who.iter().cloned()).collect::<Vec<_>>())
    }
}

/// A program in words.
fn named(program: &Program) -> String {
    match program {
        Program::Path(path) => shown(path),
        Program::Name(name) => format!("`{}` by base name", shown(name)),
        Program::Other => "any other program".to_owned(),
    }
}

/// Literals by text, so that a policy with many programs is looked through once.
struct Finder<'a> {
    paths: std::collections::HashMap<&'a [u8], u32>,
    names: std::collections::HashMap<&'a [u8], u32>,
}

impl<'a> Finder<'a> {
    fn new(image: &'a ValidImage) -> Self {
        let (mut paths, mut names) = (std::collections::HashMap::new(), std::collections::HashMap::new());
        for (index, literal) in (0u32..).zip(&image.subjects().literals) {
            match literal {
                SubjectLiteral::Path(path) => paths.insert(path.as_slice(), index),
                SubjectLiteral::Name(name) => names.insert(name.as_slice(), index),
            };
        }
        Self { paths, names }
    }

    fn class_of(&self, image: &ValidImage, program: &Program, domain: Option<&[u8]>) -> ClassId {
        let group = match program {
            Program::Path(path) => {
                (self.paths.get(path.as_slice()).copied(), self.names.get(base_name(path)).copied())
            }
            Program::Name(name) => (None, self.names.get(name.as_slice()).copied()),
            Program::Other => (None, None),
        };
        let class = image.subjects().class_of_group(group, domain);
        class.unwrap_or(ClassId(boesfs_abi::layout::NO_CLASS))
    }
}

impl Everybody {
    /// The domain of the sandbox called `name`.
    pub(super) fn domain_of(&self, name: &[u8]) -> Option<Vec<u8>> {
        let known = Some(name.to_vec());
        if self.domains.contains(&known) { known } else { None }
    }

    /// The program that the text of a subject means here.
    pub(super) fn program_of(&self, subject: &[u8]) -> Program {
        let path = Program::Path(subject.to_vec());
        if self.programs.contains(&path) {
            return path;
        }
        let name = Program::Name(base_name(subject).to_vec());
        if self.programs.contains(&name) { name } else { Program::Other }
    }
}
