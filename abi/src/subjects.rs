//! Subjects: from a program's text, or from the path of what runs, to the class it falls into.

use std::collections::HashMap;

use crate::image::ClassId;

/// A text subjects are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubjectLiteral {
    /// An absolute path.
    Path(Vec<u8>),
    /// A base name.
    Name(Vec<u8>),
}

/// The subjects and domains a policy tells apart.
///
/// A subject belongs to the group of (the literal that is its path, the literal that is its base name). Group 0 and
/// domain 0 stand for every name the policy does not mention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subjects {
    /// The literals; no text twice in one of the two kinds.
    pub literals: Vec<SubjectLiteral>,
    /// The groups as indices into `literals`, sorted, without repetition, first `(None, None)`.
    pub groups: Vec<(Option<u32>, Option<u32>)>,
    /// The domains the policy names; domain `i + 1` is `domains[i]`.
    pub domains: Vec<Vec<u8>>,
    /// `classes[group * (domains.len() + 1) + domain]`
    pub classes: Vec<ClassId>,
}

/// The part of `sub` after its last `/`.
#[must_use]
pub fn base_name(sub: &[u8]) -> &[u8] {
    sub.rsplit(|b| *b == b'/').next().unwrap_or(sub)
}

impl Subjects {
    /// The class of the program `sub` in the sandbox `dom`.
    #[must_use]
    pub fn class_of(&self, sub: &[u8], dom: Option<&[u8]>) -> ClassId {
        let name = base_name(sub);
        let mut group = (None, None);
        for (index, literal) in self.literals.iter().enumerate() {
            match literal {
                SubjectLiteral::Path(path) if path == sub => group.0 = Some(index as u32),
                SubjectLiteral::Name(text) if text == name => group.1 = Some(index as u32),
                SubjectLiteral::Path(_) | SubjectLiteral::Name(_) => {}
            }
        }
        self.class_of_group(group, dom).unwrap_or(ClassId(crate::layout::NO_CLASS))
    }

    /// What finds the classes of many programs.
    #[must_use]
    pub fn finder(&self) -> Finder<'_> {
        let domains = self.domains.iter().map(Vec::as_slice).zip(1..).collect();
        let mut finder = Finder { subjects: self, paths: HashMap::new(), names: HashMap::new(), domains };
        for (literal, index) in self.literals.iter().zip(0u32..) {
            match literal {
                SubjectLiteral::Path(text) => finder.paths.insert(text, index),
                SubjectLiteral::Name(text) => finder.names.insert(text, index),
            };
        }
        finder
    }

    /// The class of the group, if the policy's compiler knew it.
    #[must_use]
    pub fn class_of_group(&self, group: (Option<u32>, Option<u32>), dom: Option<&[u8]>) -> Option<ClassId> {
        let group = self.groups.binary_search(&group).ok()?;
        let domain =
            dom.and_then(|dom| self.domains.iter().position(|name| name == dom)).map_or(0, |index| index + 1);
        self.classes.get(group * (self.domains.len() + 1) + domain).copied()
    }

    /// The table by which the kernel finds the class of what runs, for the sandbox `dom`, with each path literal
    /// replaced by what `resolve` makes of it (the path it leads to in the sandbox's root, links followed; itself if
    /// nothing is there).
    ///
    /// # Errors
    /// [`Conflict`] if two literals lead to one program, or the program's real base name is named too, and the policy
    /// gives the combination no class of its own.
    pub fn resolved(
        &self,
        dom: Option<&[u8]>,
        mut resolve: impl FnMut(&[u8]) -> Vec<u8>,
    ) -> Result<ResolvedSubjects, Conflict> {
        let mut names: HashMap<&[u8], u32> = HashMap::new();
        for (index, literal) in self.literals.iter().enumerate() {
            if let SubjectLiteral::Name(name) = literal {
                names.insert(name, index as u32);
            }
        }
        let class = |path: Option<u32>, name: Option<u32>| self.class_of_group((path, name), dom);
        let mut paths: HashMap<Vec<u8>, (Vec<u8>, ClassId)> = HashMap::new();
        for (index, literal) in self.literals.iter().enumerate() {
            let SubjectLiteral::Path(path) = literal else { continue };
            let real = resolve(path);
            let name = names.get(base_name(&real)).copied();
            // A combination the compiler did not foresee is harmless if the base name makes no difference.
            let known = class(Some(index as u32), name).or_else(|| {
                let plain = class(Some(index as u32), names.get(base_name(path)).copied())?;
                (class(None, name)? == class(None, None)?).then_some(plain)
            });
            let conflict =
                |other: &[u8]| Conflict { first: path.clone(), second: other.to_vec(), real: real.clone() };
            let Some(found) = known else { return Err(conflict(base_name(&real))) };
            match paths.get(&real) {
                Some((other, earlier)) if *earlier != found => return Err(conflict(other)),
                Some(_) => {}
                None => {
                    paths.insert(real.clone(), (path.clone(), found));
                }
            }
        }
        let none = ClassId(crate::layout::NO_CLASS);
        let mut by_path: Vec<_> = paths.into_iter().map(|(real, (_, class))| (real, class)).collect();
        by_path.sort();
        let mut by_name: Vec<_> = names
            .into_iter()
            .map(|(name, index)| (name.to_vec(), class(None, Some(index)).unwrap_or(none)))
            .collect();
        by_name.sort();
        Ok(ResolvedSubjects { by_path, by_name, other: class(None, None).unwrap_or(none) })
    }
}

/// The literals of [`Subjects`] by their texts.
#[derive(Clone, Debug)]
pub struct Finder<'a> {
    subjects: &'a Subjects,
    paths: HashMap<&'a [u8], u32>,
    names: HashMap<&'a [u8], u32>,
    domains: HashMap<&'a [u8], usize>,
}

impl Finder<'_> {
    /// As [`Subjects::class_of`].
    #[must_use]
    pub fn class_of(&self, sub: &[u8], dom: Option<&[u8]>) -> ClassId {
        let Subjects { groups, domains, classes, .. } = self.subjects;
        let group = (self.paths.get(sub).copied(), self.names.get(base_name(sub)).copied());
        let domain = dom.and_then(|dom| self.domains.get(dom)).copied().unwrap_or(0);
        let group = groups.binary_search(&group).ok();
        let class = group.and_then(|group| classes.get(group * (domains.len() + 1) + domain));
        class.copied().unwrap_or(ClassId(crate::layout::NO_CLASS))
    }
}

/// Subjects of one sandbox, resolved in its root: what is found first counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedSubjects {
    /// By canonical path, sorted.
    pub by_path: Vec<(Vec<u8>, ClassId)>,
    /// By base name, sorted.
    pub by_name: Vec<(Vec<u8>, ClassId)>,
    /// All others.
    pub other: ClassId,
}

impl ResolvedSubjects {
    /// The class of what runs from the canonical path `exe`.
    #[must_use]
    pub fn class_of(&self, exe: &[u8]) -> ClassId {
        let find = |list: &[(Vec<u8>, ClassId)], key: &[u8]| {
            list.binary_search_by(|(text, _)| text.as_slice().cmp(key)).ok().map(|at| list[at].1)
        };
        find(&self.by_path, exe).or_else(|| find(&self.by_name, base_name(exe))).unwrap_or(self.other)
    }
}

/// Two names of one program that the policy treats differently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` and `{}` are the same program here (`{}`), and the policy treats them differently",
    String::from_utf8_lossy(first),
    String::from_utf8_lossy(second),
    String::from_utf8_lossy(real)
)]
pub struct Conflict {
    /// One name.
    pub first: Vec<u8>,
    /// The other.
    pub second: Vec<u8>,
    /// Where both lead.
    pub real: Vec<u8>,
}
