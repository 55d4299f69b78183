//! What a column must hold, by its use in the matcher.

use boesfs_abi::op::ArgType;
use boesfs_abi::request::{Kind, is_canonical, parse_number};
use boesfs_abi::verdict::Effect;
use boesfs_grammar::{Cell, Span};

use super::super::Shape;
use super::super::matcher::{Names, Use};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::lint::ABNORMAL_PATH;

/// Makes a `BoesFS` path the one it means; false if it matches nothing, which is reported.
pub(super) fn boesfs_path(text: &mut Vec<u8>, cell: Cell, eft: Effect, out: &mut Vec<Diagnostic>) -> bool {
    let shown = String::from_utf8_lossy(text).into_owned();
    let wrong = |label: &str, help: &str| {
        Diagnostic::error("E0320", format!("`{shown}` is not an absolute path"), cell.span)
            .label(label.to_owned())
            .help(help.to_owned())
    };
    if !text.starts_with(b"/") {
        out.push(wrong("does not begin with `/`", "write the path from `/` on"));
        return false;
    }
    if text.ends_with(b"//") {
        out.push(wrong("two slashes at its end", "remove them"));
        return false;
    }
    if !cell.quoted && text.iter().any(u8::is_ascii_whitespace) {
        out.push(
            Diagnostic::error("E0321", format!("an unquoted blank in the path `{shown}`"), cell.span)
                .label("a blank inside")
                .write(&format!("\"{shown}\"")),
        );
        return false;
    }
    if text.len() > 1 && text.ends_with(b"/") {
        text.pop();
    }
    if is_canonical(text) {
        return true;
    }
    let message = format!("the path `{shown}` is not normal: the rule matches nothing");
    let lint = match eft {
        Effect::Deny => Diagnostic::denied(&ABNORMAL_PATH, message, cell.span),
        Effect::Allow => Diagnostic::warning(&ABNORMAL_PATH, message, cell.span),
    };
    out.push(
        lint.label("has `//`, `.` or `..`").help(
            normal(text)
                .filter(|_| !text.windows(2).any(|pair| pair == b".."))
                .map_or_else(|| "write the path without `..`".to_owned(), |path| format!("write `{path}`")),
        ),
    );
    false
}

/// The path without `//` and `.`, and with `..` taken by its letters, if that makes it normal.
pub(in crate::model) fn normal(text: &[u8]) -> Option<String> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in text.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut path = b"/".to_vec();
    path.extend(parts.join(&b'/'));
    is_canonical(&path).then(|| String::from_utf8_lossy(&path).into_owned())
}

/// Whether a program may be called `text`: by its path or base name in Casbin shape, by its base name in `BoesFS` shape.
pub(in crate::model) fn names_program(text: &[u8], shape: Shape) -> bool {
    let name = text.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    match shape {
        Shape::Casbin => text.starts_with(b"/") || text == name && !matches!(text, b"" | b"." | b".."),
        Shape::Boesfs => !matches!(name, b"" | b"." | b".."),
    }
}

/// Checks that a column which is compared with programs, and with nothing else, may hold one.
pub(super) fn some_program(text: &[u8], span: Span, names: &Names<'_>, out: &mut Vec<Diagnostic>) {
    if names.shape == Shape::Casbin && !names_program(text, names.shape) && !names.vocabulary.open {
        let shown = String::from_utf8_lossy(text);
        out.push(
            Diagnostic::error("E0320", format!("`{shown}` names no program"), span)
                .label("neither an absolute path nor a base name")
                .help("write the program's path from `/` on"),
        );
    }
}

/// Checks that a column holds what its use asks for.
pub(super) fn typed(text: &[u8], span: Span, how: Use, names: &Names<'_>, out: &mut Vec<Diagnostic>) {
    let shown = || String::from_utf8_lossy(text).into_owned();
    match how {
        Use::Path | Use::Directory => {
            if is_canonical(text) || how == Use::Path && names.vocabulary.open {
                return;
            }
            let mut diagnostic =
                Diagnostic::error("E0320", format!("`{}` is not an absolute, normal path", shown()), span);
            diagnostic = if text == b"*" {
                diagnostic
                    .label("`==` compares text")
                    .help("use `pathMatch(r.obj, p.obj)` with `/**`, or `(p.obj == \"*\" || r.obj == p.obj)`")
            } else if !text.starts_with(b"/") {
                diagnostic.label("does not begin with `/`").help("write the path from `/` on")
            } else {
                diagnostic.label("matches no path").maybe_write(normal(text), text)
            };
            out.push(diagnostic);
        }
        Use::Subject => {
            if text.starts_with(b"/") && !is_canonical(text) && names.shape == Shape::Casbin {
                out.push(
                    Diagnostic::error("E0320", format!("`{}` is not a normal path", shown()), span)
                        .label("no program has this path")
                        .maybe_write(normal(text), text),
                );
            }
        }
        Use::Number(ty) => {
            let number = std::str::from_utf8(text).ok().and_then(|text| parse_number(text, ty));
            if number.is_none() {
                let what = if ty == ArgType::Signed { "a signed" } else { "an unsigned" };
                out.push(
                    Diagnostic::error("E0311", format!("`{}` is not {what} 64-bit number", shown()), span)
                        .label("compared with a number"),
                );
            }
        }
        Use::PathText => {
            if !is_canonical(text) {
                out.push(
                    Diagnostic::error(
                        "E0320",
                        format!("`{}` is not an absolute, normal path", shown()),
                        span,
                    )
                    .label("compared with a path argument"),
                );
            }
        }
        Use::Kind => {
            if std::str::from_utf8(text).ok().and_then(Kind::from_name).is_none() {
                let word = shown();
                out.push(
                    Diagnostic::error("E0317", format!("unknown kind `{word}`"), span)
                        .label("not a kind of object")
                        .maybe_meant(suggestion(&word, Kind::ALL.map(Kind::name), "the kinds")),
                );
            }
        }
        Use::Pattern(_)
        | Use::Action
        | Use::ActionPattern
        | Use::ActionRole
        | Use::Tuple
        | Use::Text
        | Use::Eval => {}
    }
}
