//! Whole jobs: unpacking and packing an archive, looking at every file of a tree, compiling C.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{BenchError, KernelChoice, Setting, Workspace, image, in_guest};
use crate::process;

const SETTINGS: [&str; 6] =
    ["baseline", "filter", "landlock", "free:use-10", "confined:use-10", "confined:everything-10"];
/// What is packed and unpacked: this repository's own sources.
const SOURCES: [&str; 5] = ["abi", "compiler", "docs", "grammar", "policies"];
/// What is compiled.
const COMPILED: &str = "ebpf/bpf/native.c";

/// Measures the jobs on `kernel`; if `chosen` is not empty, in these settings alone.
pub(super) fn measure(
    workspace: &Workspace,
    folder: &Path,
    kernel: &KernelChoice,
    chosen: &[String],
) -> Result<Vec<Setting>, BenchError> {
    let mut command = vec!["sh".to_owned(), "jobs.sh".to_owned()];
    let mut add = vec![folder.join("jobs.sh"), folder.join("tree.tar"), folder.join("system")];
    std::fs::write(&add[0], include_str!("jobs.sh"))?;
    let mut archive = Command::new("git");
    archive.current_dir(&workspace.root).args(["archive", "HEAD", "-o"]).arg(&add[1]).args(SOURCES);
    process::capture(&mut archive)?;
    if !add[2].exists() {
        compiler(workspace, &add[2])?;
    }
    let wanted = |setting: &&str| chosen.is_empty() || chosen.iter().any(|one| one == setting);
    if let Some(unknown) = chosen.iter().find(|one| !SETTINGS.contains(&one.as_str())) {
        return Err(BenchError::File(std::io::Error::other(format!("jobs are not measured in `{unknown}`"))));
    }
    for setting in SETTINGS.into_iter().filter(wanted) {
        command.push(match setting.split_once(':') {
            Some((how, policy)) => {
                let image = image(workspace, folder, policy)?;
                if !add.contains(&image) {
                    add.push(image);
                }
                format!("{how}:{policy}.bin")
            }
            None => setting.to_owned(),
        });
    }
    in_guest(workspace, kernel, add, folder, command)
}

/// Puts the C compiler proper, its libraries, the headers and the source below `system`, where they lie here.
fn compiler(workspace: &Workspace, system: &Path) -> Result<(), BenchError> {
    let said = process::capture(Command::new("gcc").arg("-print-prog-name=cc1"))?;
    let cc1 = PathBuf::from(said.trim());
    let libraries = process::capture(Command::new("ldd").arg(&cc1))?;
    let mut files: Vec<PathBuf> =
        libraries.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect();
    let source = workspace.root.join(COMPILED);
    let rule = process::capture(Command::new("gcc").arg("-M").arg(&source))?;
    let headers = rule.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    files.extend(headers.filter(|file| !file.starts_with(&workspace.root)));
    for file in &files {
        let to = system.join(file.strip_prefix("/").unwrap_or(file));
        std::fs::create_dir_all(to.parent().unwrap_or(system))?;
        std::fs::copy(file, to)?;
    }
    for (from, to) in [(cc1, "usr/bin/cc1"), (source.clone(), "src/native.c")] {
        let to = system.join(to);
        std::fs::create_dir_all(to.parent().unwrap_or(system))?;
        std::fs::copy(from, to)?;
    }
    for entry in std::fs::read_dir(source.parent().unwrap_or(&source))? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "h") {
            std::fs::copy(entry.path(), system.join("src").join(entry.file_name()))?;
        }
    }
    Ok(())
}
