//! Subjects and domains to ask for: one of each kind an image tells apart.

use std::collections::HashSet;

use boesfs_abi::image::{ClassId, ValidImage};
use boesfs_abi::subjects::{SubjectLiteral, base_name};

/// A subject in a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) subject: Vec<u8>,
    pub(crate) domain: Option<Vec<u8>>,
    pub(crate) class: ClassId,
    /// Whether it is the first of its class.
    pub(crate) first: bool,
}

/// A subject of each group in each domain, and one of each that the policy does not name.
pub(crate) fn everybody(image: &ValidImage) -> Vec<Who> {
    let subjects = image.subjects();
    let text = |literal: u32| match &subjects.literals[literal as usize] {
        SubjectLiteral::Path(text) | SubjectLiteral::Name(text) => text.clone(),
    };
    let finder = subjects.finder();
    let mut classes = HashSet::new();
    let mut everybody = Vec::new();
    for (path, name) in &subjects.groups {
        let subject = path.or(*name).map_or_else(|| unnamed(&subjects.literals), text);
        for domain in [None].into_iter().chain(subjects.domains.iter().cloned().map(Some)) {
            let class = finder.class_of(&subject, domain.as_deref());
            everybody.push(Who { subject: subject.clone(), domain, class, first: classes.insert(class) });
        }
    }
    everybody
}

/// A program that no literal is about.
fn unnamed(literals: &[SubjectLiteral]) -> Vec<u8> {
    let taken: HashSet<&[u8]> = literals
        .iter()
        .map(|literal| match literal {
            SubjectLiteral::Path(text) => base_name(text),
            SubjectLiteral::Name(text) => text,
        })
        .collect();
    let name =
        (0u64..).map(|number| format!("unnamed{number}")).find(|name| !taken.contains(name.as_bytes()));
    format!("/{}", name.expect("INVARIANT: there are more numbers than literals")).into_bytes()
}
