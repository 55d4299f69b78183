//! Where a thing is defined and used, and giving it another name.

use boesfs_abi::op::{GROUPS, Op};
use boesfs_grammar::{Span, SyntaxTree};

use super::completion::field;
use super::index::{Index, Mark, What};
use crate::diagnostic::Edit;
use crate::model::{Model, Shape};

/// Why something cannot be called otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    /// The thing has a fixed name.
    #[error("only roles, action roles and columns can be renamed")]
    Fixed,
    /// The name cannot be one.
    #[error("`{0}` cannot be the name of {1}")]
    Unfit(String, &'static str),
    /// Something else has the name.
    #[error("`{0}` is in use already")]
    Taken(String),
    /// There is a place that cannot be changed safely.
    #[error("an expression in quotes may use the name: rename it by hand")]
    Opaque,
}

/// The places where the thing at byte `offset` of `file` is defined. For a column of the request or the policy that
/// is its definition, for a role the lines that give it to somebody.
#[must_use]
pub fn definitions(index: &Index, file: u16, offset: u32) -> Vec<Span> {
    let Some(mark) = index.at(file, offset) else { return Vec::new() };
    index.all(&mark.what).filter(|other| other.defines).map(|other| other.span).collect()
}

/// The places that speak of the thing at byte `offset` of `file`.
#[must_use]
pub fn references(index: &Index, file: u16, offset: u32, definitions: bool) -> Vec<Span> {
    let Some(mark) = index.at(file, offset) else { return Vec::new() };
    if !is_symbol(&mark.what) {
        return Vec::new();
    }
    index.all(&mark.what).filter(|other| definitions || !other.defines).map(|other| other.span).collect()
}

fn is_symbol(what: &What) -> bool {
    matches!(
        what,
        What::PolicyType(_)
            | What::RequestType(_)
            | What::Relation(_)
            | What::RequestField(_)
            | What::Column(..)
            | What::Subject(..)
            | What::ActionRole(_)
            | What::Domain(_)
    )
}

/// The thing at byte `offset` of `file`, if it may have another name.
///
/// # Errors
/// If its name is fixed.
pub fn renameable<'i>(
    index: &'i Index,
    model: Option<&Model>,
    file: u16,
    offset: u32,
) -> Result<&'i Mark, RenameError> {
    let mark = index.at(file, offset).ok_or(RenameError::Fixed)?;
    let free = match &mark.what {
        What::Subject(relation, name) => index.is_role(relation, name) && !name.starts_with('/'),
        What::ActionRole(_) => true,
        // BoesFS's columns are known by their names, and so are these two.
        What::Column(_, name) => {
            !matches!(name.as_str(), "eft" | "priority")
                && model.is_none_or(|model| model.shape == Shape::Casbin)
        }
        _ => false,
    };
    if free { Ok(mark) } else { Err(RenameError::Fixed) }
}

/// The changes that call the thing at byte `offset` of `file` `name`.
///
/// # Errors
/// If it may not be called so.
pub fn rename(
    tree: &SyntaxTree,
    index: &Index,
    model: Option<&Model>,
    (file, offset): (u16, u32),
    name: &str,
) -> Result<Vec<Edit>, RenameError> {
    let mark = renameable(index, model, file, offset)?;
    let what = mark.what.clone();
    let (renamed, unfit, kind) = match &what {
        What::Subject(relation, _) => {
            let unfit = name.trim() != name || name.is_empty() || name.starts_with('/');
            (
                What::Subject(relation.clone(), name.to_owned()),
                unfit || name.contains(['\n', '\r', '\0']),
                "a role",
            )
        }
        What::ActionRole(_) => {
            let word =
                !name.is_empty() && !name.contains([' ', '\t', ',', '"', '\'', '(', '\n', '\r', '\0', '#']);
            let taken = Op::from_name(name).is_some()
                || GROUPS.iter().any(|(group, _)| *group == name)
                || matches!(name, "*" | "any" | "none" | "default");
            (What::ActionRole(name.to_owned()), !word || taken, "an action role")
        }
        What::Column(of, _) => {
            let mut letters = name.chars();
            let first = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic() || letter == '_');
            let word = first && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            let fixed = matches!(name, "eft" | "priority");
            (What::Column(of.clone(), name.to_owned()), !word || fixed, "a column")
        }
        _ => return Err(RenameError::Fixed),
    };
    if unfit {
        return Err(RenameError::Unfit(name.to_owned(), kind));
    }
    if renamed == what {
        return Ok(Vec::new());
    }
    if index.all(&renamed).next().is_some() {
        return Err(RenameError::Taken(name.to_owned()));
    }
    if !index.opaque.is_empty() {
        return Err(RenameError::Opaque);
    }
    let edit = |mark: &Mark| -> Result<Edit, RenameError> {
        let text = match (&what, tree.bytes(mark.span).first()) {
            (What::Subject(..), Some(b'\'' | b'"')) if in_matcher(tree, mark.span) => {
                if name.contains(['"', '\'']) {
                    return Err(RenameError::Unfit(name.to_owned(), "a role in a matcher"));
                }
                let quote = char::from(tree.bytes(mark.span)[0]);
                format!("{quote}{name}{quote}")
            }
            (What::Subject(..), _) => field(name),
            _ => name.to_owned(),
        };
        Ok(Edit { span: mark.span, text: text.into_bytes() })
    };
    index.all(&what).map(edit).collect()
}

/// Whether `span` stands in a matcher, where quotes are not doubled: anywhere but at the fields of a line.
fn in_matcher(tree: &SyntaxTree, span: Span) -> bool {
    let line =
        tree.lines.partition_point(|line| (line.span.file, line.span.start) <= (span.file, span.start));
    let Some(line) = line.checked_sub(1).and_then(|at| tree.lines.get(at)) else { return true };
    line.span.file != span.file || !tree.cells(line).iter().any(|cell| cell.span == span)
}
