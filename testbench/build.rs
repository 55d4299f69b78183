//! Writes the cases and example policies into the program, so that it is enough by itself where nothing else is.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("INVARIANT: cargo sets it"));
    let mut code = String::new();
    for (constant, folder) in [("CASES", here.join("cases")), ("EXAMPLES", here.join("../policies/examples"))]
    {
        let mut files = Vec::new();
        collect(&folder, &mut files)?;
        files.sort();
        writeln!(code, "pub(super) static {constant}: &[(&str, &[u8])] = &[")
            .expect("INVARIANT: a string grows");
        for file in files {
            let name = file.strip_prefix(&folder).unwrap_or(&file).display().to_string();
            writeln!(code, "({name:?}, include_bytes!({:?})),", file.display().to_string())
                .expect("INVARIANT: a string grows");
        }
        code.push_str("];\n");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("INVARIANT: cargo sets it"));
    fs::write(out.join("embedded.rs"), code)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
