//! The pages of errors and notes: each example is answered as the page says, its fixed form without that code, and no
//! code is without a page.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use boesfs_compiler::diagnostic::pages::all;

/// Codes that no small policy brings about, and why.
const WITHOUT_EXAMPLE: &[(&str, &str)] = &[
    ("E0120", "the command line refuses such a file before it is parsed"),
    ("E0123", "a guard behind the other limits"),
    ("E0509", "needs a policy of gigabytes"),
    ("E0601", "would be a defect of the compiler"),
    ("N0401", "needs many findings"),
    ("N0402", "needs a policy beyond a lint's effort"),
];

/// A policy, its model or configuration, and the command it is given to.
struct Example {
    policy: Vec<u8>,
    model: Option<String>,
    config: Option<String>,
    command: Vec<String>,
}

/// The block of `language` in `text`, if there is one.
fn block(text: &str, language: &str) -> Option<Range<usize>> {
    let fence = format!("```{language}\n");
    let start = text.find(&fence)? + fence.len();
    Some(start..start + text[start..].find("```").expect("the end of a block"))
}

/// The bytes of `text`, in which `\xNN` is a byte if `escapes`.
fn bytes(text: &str, escapes: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x").filter(|_| escapes) {
        out.extend_from_slice(before.as_bytes());
        out.push(u8::from_str_radix(&after[..2], 16).expect("two hexadecimal digits"));
        rest = &after[2..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// A policy that has nothing to be said of.
const SOUND: &str = "[request_definition]\nr = obj, act\n[policy_definition]\np = obj, act, eft\n[policy_effect]\n\
    e = !some(where (p.eft == deny))\n[matchers]\nm = pathMatch(r.obj, p.obj) && r.act == p.act\n[policy]\n\
    p, /srv/keys/**, @use, deny\n";

fn example(section: &str) -> Example {
    let said = |name: &str| section.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let text = |language| block(section, language).map(|at| section[at].to_owned());
    let escapes = said("Escapes: ").is_some();
    let policy = text("conf").unwrap_or_else(|| SOUND.to_owned());
    let mut command = vec![said("Command: ").unwrap_or_else(|| "check".to_owned())];
    if command[0] == "build" {
        command.extend(["-o".to_owned(), "policy.bin".to_owned()]);
    }
    command.extend(said("Options: ").iter().flat_map(|options| options.split(' ')).map(str::to_owned));
    Example { policy: bytes(&policy, escapes), model: text("model"), config: text("toml"), command }
}

/// What the example is answered, and whether it is accepted.
fn answer(example: &Example) -> (String, bool) {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("policy.conf"), &example.policy).expect("a policy");
    // Nothing above the directory has a say.
    fs::write(dir.path().join("boesfsc.toml"), example.config.as_deref().unwrap_or(""))
        .expect("a configuration");
    let mut command = Command::new(env!("CARGO_BIN_EXE_boesfsc"));
    command.args(&example.command);
    if let Some(model) = &example.model {
        fs::write(dir.path().join("model.conf"), model).expect("a model");
        command.args(["--model", "model.conf"]);
    }
    let output = command.arg("policy.conf").current_dir(dir.path()).output().expect("boesfsc runs");
    let text = String::from_utf8(output.stderr).expect("text");
    let place = fs::canonicalize(dir.path()).expect("a directory").display().to_string();
    let text = text.replace(&format!("{place}/"), "");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    (lines.join("\n") + "\n", output.status.success())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnostic/pages")
}

#[test]
fn pages_are_true() {
    let mut wrong = Vec::new();
    for page in all().filter(|page| !page.code.starts_with('W')) {
        let path = folder().join(page.code).with_extension("md");
        let text = fs::read_to_string(&path).expect("a page");
        assert!(text.starts_with(&format!("# {}: ", page.code)), "{}", page.code);
        let level = if page.code.starts_with('N') { "\nLevel: note\n" } else { "\nLevel: error\n" };
        assert!(text.contains(level), "{}", page.code);
        let excused = WITHOUT_EXAMPLE.iter().any(|(code, _)| *code == page.code);
        let Some(start) = text.find("\n## Example\n") else {
            assert!(excused, "{} has no example", page.code);
            continue;
        };
        assert!(!excused, "{} has an example after all", page.code);
        let fixed = text.find("\n## Fixed\n").expect("a fixed form");
        let (said, _) = answer(&example(&text[start..fixed]));
        if !said.contains(&format!("[{}]", page.code)) {
            wrong.push(format!("{}: the example is answered\n{said}", page.code));
        }
        let at = block(&text[start..fixed], "text").expect("an answer");
        let at = start + at.start..start + at.end;
        if text[at.clone()] != said {
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                let mut text = text.clone();
                text.replace_range(at, &said);
                fs::write(&path, text).expect("a writable page");
            } else {
                wrong.push(format!("{}: UPDATE_GOLDEN=1 accepts\n{said}", page.code));
            }
        }
        let (said, accepted) = answer(&example(&text[fixed..]));
        if !accepted || said.contains(page.code) {
            wrong.push(format!("{}: the fixed form is answered\n{said}", page.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The codes in string literals of the sources below `dir`.
fn codes(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            codes(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            found.extend(text.split('"').filter(|piece| is_code(piece)).map(str::to_owned));
        }
    }
}

fn is_code(text: &str) -> bool {
    text.len() == 5
        && text.starts_with(['E', 'W', 'N'])
        && text[1..].bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn every_code_has_a_page() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned();
    let mut used = BTreeSet::new();
    codes(&crates.join("compiler/src"), &mut used);
    codes(&crates.join("grammar/src"), &mut used);
    let known: BTreeSet<String> = all().map(|page| page.code.to_owned()).collect();
    assert_eq!(used, known);
    assert_eq!(known.len(), all().count(), "a code stands twice");
}
