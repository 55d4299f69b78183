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
    build_prober(&here.join("escape"), &out)?;
    fs::write(out.join("embedded.rs"), code)
}

/// Compiles what makes the attempts to escape: in C, for many of its system calls have no safe form; without libraries,
/// for it runs in a bare root directory.
fn build_prober(folder: &Path, out: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            sources.push(path);
        }
    }
    sources.sort();
    // The compiler that the programs for the kernel need as well.
    println!("cargo::rerun-if-env-changed=CLANG");
    let clang = env::var_os("CLANG").unwrap_or_else(|| "clang".into());
    let mut command = std::process::Command::new(clang);
    command
        .args(["-std=gnu11", "-O1", "-static", "-Wall", "-Wextra"])
        .arg("-Wno-missing-field-initializers")
        .args(&sources)
        .arg("-o")
        .arg(out.join("prober"));
    let status = command.status()?;
    assert!(
        status.success(),
        "the prober does not compile ({status}); it needs clang and the static C library of libc6-dev"
    );
    Ok(())
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
