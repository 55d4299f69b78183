//! What files may hold and be called.

use super::Finding;
use regex::Regex;
use std::path::Path;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];
/// Marks of unfinished work, written so that this line is none.
const MARKS: &str = r"\b(?:T[O]DO|F[I]XME|X[X]X|H[A]CK)\b";
/// The files in which they count.
const SOURCES: [&str; 6] = ["rs", "c", "h", "pest", "sh", "toml"];
/// Folders of test data, which may be any bytes.
const DATA: [&str; 3] = ["tests", "cases", "fuzz"];

pub(super) fn check(path: &Path, bytes: &[u8], root: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |line, message: String| findings.push(Finding { path: path.into(), line, message });
    let data = path.parent().is_some_and(|folder| {
        folder.components().any(|part| DATA.iter().any(|name| part.as_os_str() == *name))
    });
    if bytes.contains(&0) {
        if !data {
            add(0, "a binary file outside the folders of tests".into());
        }
        return findings;
    }
    let root = root.as_os_str().as_encoded_bytes();
    if let Some(offset) = bytes.windows(root.len()).position(|window| window == root) {
        let line = bytes[..offset].iter().filter(|byte| **byte == b'\n').count() + 1;
        add(line, "a path of this machine".into());
    }
    let source = path.extension().is_some_and(|found| SOURCES.iter().any(|extension| found == *extension));
    if let (true, Ok(text)) = (source, std::str::from_utf8(bytes)) {
        let marks = Regex::new(MARKS).expect("INVARIANT: the pattern is a regular expression");
        for found in marks.find_iter(text) {
            let line = text[..found.start()].matches('\n').count() + 1;
            add(line, format!("`{}`: open work belongs in an issue", found.as_str()));
        }
    }
    if let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) {
        if EMPTY_NAMES.contains(&stem) {
            add(0, format!("`{stem}` does not say what the file is about"));
        }
        if stem.ends_with("_new") || stem.ends_with("_old") || stem.ends_with("_bk") {
            add(0, "versions are git's work, not a file name's".into());
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_machine_paths_and_empty_names() {
        let root = Path::new("/srv/checkout");
        let count = |path: &str, bytes: &[u8]| check(Path::new(path), bytes, root).len();
        assert_eq!(count("docs/a.bin", b"a\0b"), 1);
        assert_eq!(count("abi/tests/images/v1/a.img", b"a\0b"), 0);
        assert_eq!(count("docs/a.md", b"cd /srv/checkout/docs"), 1);
        assert_eq!(count("abi/src/utils.rs", b""), 1);
        assert_eq!(count("abi/src/image_bk.rs", b""), 1);
        assert_eq!(count("abi/src/image.rs", b"x"), 0);
        let mark = ["// TO", "DO: more"].concat();
        assert_eq!(count("abi/src/image.rs", mark.as_bytes()), 1);
        assert_eq!(count("docs/image.md", mark.as_bytes()), 0);
    }
}
