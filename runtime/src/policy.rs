//! Whether a compiled policy can be enforced as it is meant on the sandbox at hand.
//!
//! From the bytes of an image and what the sandbox will look like to a [`ValidImage`] and warnings, or a refusal.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use boesfs_abi::image::{Defaults, ImageError, Literal, RuleInfo, ValidImage, decode};
use boesfs_abi::op::Op;
use boesfs_abi::subjects::{Conflict, ResolvedSubjects};
use boesfs_abi::verdict::Effect;

use crate::events::escape;
use crate::plane::Plane;
use crate::sandbox::root::Root;

/// The longest file that is read in the hope that it is an image.
const LONGEST: u64 = 256 << 20;

/// Why a policy is not used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("cannot read policy `{}`: {error}", path.display())]
    Unreadable {
        /// As it was given.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is no image that can be used.
    #[error("policy `{}`: {error}", path.display())]
    Image {
        /// As it was given.
        path: PathBuf,
        /// Why.
        error: ImageError,
    },
    /// It denies where nothing is judged.
    #[error("the policy denies `{denied}`, which is outside the protected directory `{}`: {by}; `--outside allow` leaves what is outside unjudged", dir.display())]
    Outside {
        /// A path it denies.
        denied: String,
        /// The protected directory.
        dir: PathBuf,
        /// What denies it.
        by: String,
    },
    /// A rule names something by another than its real name.
    #[error(
        "{rule} {says} `{path}`, but `{link}` is a symbolic link in the sandbox's root and the path leads to `{leads}`: name that instead"
    )]
    Link {
        /// The rule.
        rule: String,
        /// Whether it allows or denies.
        says: &'static str,
        /// Its path.
        path: String,
        /// The link on it.
        link: String,
        /// Where the path leads.
        leads: String,
    },
    /// A rule the plane cannot enforce.
    #[error("{rule} denies `{op}` where `open` is allowed, and the {plane} plane cannot enforce that: {why}")]
    Unenforceable {
        /// The rule.
        rule: String,
        /// The operation.
        op: Op,
        /// The plane.
        plane: Plane,
        /// Why it cannot.
        why: &'static str,
    },
}

/// What a policy does with what lies outside the protected directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsidePolicy {
    /// It must not deny anything there.
    Refuse,
    /// It may, without effect.
    Allow,
}

/// The image in the file at `path`.
///
/// # Errors
/// [`PolicyError::Unreadable`] and [`PolicyError::Image`].
pub fn load(path: &Path) -> Result<ValidImage, PolicyError> {
    read(path).map(|(image, _)| image)
}

/// The image in the file at `path`, with the bytes of the file.
///
/// # Errors
/// As [`load`].
pub fn read(path: &Path) -> Result<(ValidImage, Vec<u8>), PolicyError> {
    let unreadable = |error| PolicyError::Unreadable { path: path.to_owned(), error };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(unreadable(io::Error::other(format!("longer than {LONGEST} bytes"))));
    }
    let image = decode(&bytes).map_err(|error| PolicyError::Image { path: path.to_owned(), error })?;
    Ok((image, bytes))
}

/// The subjects of `image` in the sandbox called `name`, as the paths they are named by lead in its `root`.
///
/// # Errors
/// If two names lead to one program that the policy treats differently.
pub fn subjects(image: &ValidImage, name: &str, root: &Root) -> Result<ResolvedSubjects, Conflict> {
    // A policy that goes by how programs are named is not asked where the names lead.
    let by_name = image.entry_subject();
    let resolve = |path: &[u8]| match root.canonical(Path::new(OsStr::from_bytes(path))) {
        Ok(real) if !by_name => real.into_os_string().into_vec(),
        Ok(_) | Err(_) => path.to_vec(),
    };
    image.subjects().resolved(Some(name.as_bytes()), resolve)
}

/// Refuses an `image` that denies outside `dir`: by a rule, or, in Casbin's shape, by default.
///
/// # Errors
/// [`PolicyError::Outside`].
pub fn check_outside(image: &ValidImage, dir: &Path) -> Result<(), PolicyError> {
    let defaults = if image.is_boesfs() { Defaults::Ignore } else { Defaults::Count };
    match image.denial_outside(dir.as_os_str().as_bytes(), defaults) {
        None => Ok(()),
        Some(outside) => Err(PolicyError::Outside {
            denied: escape(&outside.path),
            dir: dir.to_owned(),
            by: if outside.by_default {
                "it denies by default".to_owned()
            } else {
                let rule = image.rule(&outside.path, outside.at);
                rule.map_or_else(|| "a rule".to_owned(), describe_rule)
            },
        }),
    }
}

/// Refuses an `image` with a deny rule whose path runs through a symbolic link in `root`, or is one; returns a
/// warning for each allow rule that does.
///
/// # Errors
/// [`PolicyError::Link`].
pub fn check_links(image: &ValidImage, root: &Root) -> Result<Vec<String>, PolicyError> {
    let mut warnings = Vec::new();
    // Most rules share their directories, and each is looked at once.
    let mut links = Links { root, known: HashMap::new() };
    for Literal { effect, rule, path } in image.literals() {
        let path = Path::new(OsStr::from_bytes(path));
        let Some(link) = links.first_on(path) else { continue };
        let error = PolicyError::Link {
            rule: name_rule(image, *rule),
            says: match effect {
                Effect::Allow => "allows",
                Effect::Deny => "denies",
            },
            path: escape(path.as_os_str().as_bytes()),
            leads: escape(root.leads_to(path, &link).as_os_str().as_bytes()),
            link: escape(link.as_os_str().as_bytes()),
        };
        match effect {
            Effect::Deny => return Err(error),
            Effect::Allow => warnings.push(error.to_string()),
        }
    }
    Ok(warnings)
}

struct Links<'a> {
    root: &'a Root,
    known: HashMap<PathBuf, Option<PathBuf>>,
}

impl Links<'_> {
    /// The first symbolic link on the way to `path`, or `path` itself if it is one.
    fn first_on(&mut self, path: &Path) -> Option<PathBuf> {
        let parent = path.parent()?;
        let above = match self.known.get(parent) {
            Some(known) => known.clone(),
            None => {
                let above = self.first_on(parent);
                self.known.insert(parent.to_owned(), above.clone());
                above
            }
        };
        above.or_else(|| self.root.is_link(path).then(|| path.to_owned()))
    }
}

/// Refuses an `image` with a rule that denies what `plane` cannot see, where nothing else the plane does see
/// keeps the process from it; returns a warning for each operation whose rules accept that.
///
/// # Errors
/// [`PolicyError::Unenforceable`].
pub fn check_coverage(image: &ValidImage, plane: Plane) -> Result<Vec<String>, PolicyError> {
    let mut warnings = Vec::new();
    for (op, why) in plane.unseen().filter(|(op, _)| image.may_deny().contains(*op)) {
        if !image.denies_alone(op) {
            continue;
        }
        let rule = image.denials_alone(op).next();
        let rule = rule.map_or_else(|| "a rule".to_owned(), |rule| name_rule(image, rule));
        let error = PolicyError::Unenforceable { rule, op, plane, why };
        if !image.accepted().contains(op) {
            return Err(error);
        }
        warnings.push(format!("{error}; the policy accepts that"));
    }
    Ok(warnings)
}

fn name_rule(image: &ValidImage, index: u32) -> String {
    let rule = image.debug().and_then(|debug| debug.rules.get(index as usize));
    rule.map_or_else(|| format!("rule {index}"), describe_rule)
}

fn describe_rule(rule: RuleInfo<'_>) -> String {
    format!("line {} (`{}`)", rule.line, rule.text)
}
