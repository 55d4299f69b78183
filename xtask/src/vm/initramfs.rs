//! The initramfs: static busybox, init script, modules, the project's binaries, the caller's files and command.

use super::Job;
use super::kernel::Kernel;
use crate::process::{self, ProcessError};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the guest writes to a port when all output is sent. Not text, so that no command says it by chance.
pub(super) const END_MARK: &[u8] = b"\x00\xffboesfs-end-of-output\xff\x00";

const INIT: &str = include_str!("init.sh");

/// Why the initramfs could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// No place to make it in.
    #[error("no scratch folder: {source}")]
    Scratch {
        /// Why.
        source: io::Error,
    },
    /// A file could not be put in.
    #[error("cannot put {path} in: {source}")]
    Put {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two files of one name.
    #[error("two files are named {name:?} and would share a place")]
    SameName {
        /// The name.
        name: String,
    },
    /// A file without a name, as `..`.
    #[error("{path} has no file name")]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// busybox is missing or needs libraries.
    #[error("no static busybox found; install busybox-static")]
    NoBusybox,
    /// An argument that no program can be given.
    #[error("an argument of the command holds a null byte")]
    NullByte,
    /// A tool is missing or failed.
    #[error(transparent)]
    Tool(#[from] ProcessError),
    /// The archive could not be written.
    #[error("cannot write the archive: {0}")]
    Archive(io::Error),
}

/// Makes the initramfs for `job` under `scratch` and gives its path.
///
/// # Errors
/// [`InitramfsError`], naming the file or tool.
pub(super) fn make(scratch: &Path, kernel: &Kernel, job: &Job) -> Result<PathBuf, InitramfsError> {
    let tree = scratch.join("tree");
    for folder in ["bin", "etc", "root", "usr/local/bin", "modules"] {
        let path = tree.join(folder);
        fs::create_dir_all(&path).map_err(|source| InitramfsError::Put { path, source })?;
    }
    let busybox = static_busybox()?;
    put(&busybox, &tree.join("bin/busybox"))?;
    symlink("busybox", tree.join("bin/sh"))
        .map_err(|source| InitramfsError::Put { path: "/bin/sh".into(), source })?;
    write(&tree.join("init"), INIT.as_bytes(), 0o755)?;
    write(&tree.join("end-mark"), END_MARK, 0o644)?;
    write(&tree.join("command"), command_script(&job.command)?.as_bytes(), 0o644)?;
    write(
        &tree.join("etc/passwd"),
        b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
        0o644,
    )?;
    write(&tree.join("etc/group"), b"root:x:0:\nnogroup:x:65534:\n", 0o644)?;
    for (index, module) in kernel.modules.iter().enumerate() {
        put_module(&busybox, module, &tree.join("modules"), index)?;
    }
    for binary in &job.binaries {
        put_binary(binary, &place(&tree.join("usr/local/bin"), binary)?)?;
    }
    for file in &job.add {
        put(file, &place(&tree.join("root"), file)?)?;
    }
    archive(&tree, &scratch.join("initramfs"))
}

/// Where `file` goes in `folder`, if its place is free.
fn place(folder: &Path, file: &Path) -> Result<PathBuf, InitramfsError> {
    let name = file.file_name().ok_or_else(|| InitramfsError::NoName { path: file.into() })?;
    let path = folder.join(name);
    if path.symlink_metadata().is_ok() {
        return Err(InitramfsError::SameName { name: name.to_string_lossy().into_owned() });
    }
    Ok(path)
}

/// Copies a file or a folder; symbolic links below a folder stay links.
fn put(from: &Path, to: &Path) -> Result<(), InitramfsError> {
    let cannot = |source| InitramfsError::Put { path: from.into(), source };
    if !fs::metadata(from).map_err(cannot)?.is_dir() {
        return fs::copy(from, to).map(drop).map_err(cannot);
    }
    fs::create_dir(to).map_err(cannot)?;
    for entry in fs::read_dir(from).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(cannot)?.is_symlink() {
            let link = fs::read_link(&path).map_err(cannot)?;
            symlink(link, target).map_err(cannot)?;
        } else {
            put(&path, &target)?;
        }
    }
    Ok(())
}

/// A program without its debug information, which the guest would copy twice for nothing.
fn put_binary(from: &Path, to: &Path) -> Result<(), InitramfsError> {
    Ok(process::run(Command::new("strip").arg("--strip-debug").arg("-o").arg(to).arg(from))?)
}

/// A module, named so that names sort in loading order.
fn put_module(busybox: &Path, module: &Path, folder: &Path, index: usize) -> Result<(), InitramfsError> {
    let name = module.file_name().unwrap_or_default().to_string_lossy();
    let to = folder.join(format!("{index:02}-{}", name.trim_end_matches(".xz")));
    if !name.ends_with(".xz") {
        return put(module, &to);
    }
    let cannot = |source| InitramfsError::Put { path: module.into(), source };
    let output = fs::File::create(&to).map_err(cannot)?;
    Ok(process::run(Command::new(busybox).args(["xz", "-dc"]).arg(module).stdout(output))?)
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), InitramfsError> {
    fs::write(path, content)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(|source| InitramfsError::Put { path: path.into(), source })
}

/// busybox, provided that it needs no dynamic linker: the guest has none.
fn static_busybox() -> Result<PathBuf, InitramfsError> {
    ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .map(PathBuf::from)
        .find(|path| fs::read(path).is_ok_and(|bytes| is_static(&bytes) == Some(true)))
        .ok_or(InitramfsError::NoBusybox)
}

/// Whether no program header of a 64-bit little-endian ELF file names an interpreter; `None` if it is no such file.
fn is_static(elf: &[u8]) -> Option<bool> {
    const PT_INTERP: u32 = 3;
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let offset = usize::try_from(u64::from_le_bytes(elf.get(0x20..0x28)?.try_into().ok()?)).ok()?;
    let size = usize::from(u16::from_le_bytes(elf.get(0x36..0x38)?.try_into().ok()?));
    let count = usize::from(u16::from_le_bytes(elf.get(0x38..0x3a)?.try_into().ok()?));
    let headers = elf.get(offset..)?.get(..size * count)?;
    if size < 4 {
        return None;
    }
    Some(headers.chunks(size).all(|header| header[..4] != PT_INTERP.to_le_bytes()))
}

/// The command as a script of one line.
fn command_script(command: &[String]) -> Result<String, InitramfsError> {
    if command.iter().any(|word| word.contains('\0')) {
        return Err(InitramfsError::NullByte);
    }
    let words: Vec<_> = command.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    Ok(format!("exec {}\n", words.join(" ")))
}

fn archive(tree: &Path, to: &Path) -> Result<PathBuf, InitramfsError> {
    let mut names = Vec::new();
    list(tree, Path::new(""), &mut names).map_err(InitramfsError::Archive)?;
    let output = fs::File::create(to).map_err(InitramfsError::Archive)?;
    let mut command = Command::new("cpio");
    command.args(["--create", "--format=newc", "--owner=+0:+0", "--null", "--quiet"]);
    let mut cpio = command
        .current_dir(tree)
        .stdin(Stdio::piped())
        .stdout(output)
        .spawn()
        .map_err(|source| ProcessError::Start { program: "cpio".into(), source })?;
    if let Some(mut input) = cpio.stdin.take() {
        input.write_all(&names).map_err(InitramfsError::Archive)?;
    }
    let status = cpio.wait().map_err(InitramfsError::Archive)?;
    if !status.success() {
        let command = process::command_line(&command);
        return Err(ProcessError::Failed { command, status, stderr: String::new() }.into());
    }
    Ok(to.into())
}

/// Appends the name of everything below `folder`, parents first, each ended by a null byte.
fn list(tree: &Path, folder: &Path, names: &mut Vec<u8>) -> io::Result<()> {
    let mut entries = fs::read_dir(tree.join(folder))?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = folder.join(entry.file_name());
        names.extend_from_slice(name.as_os_str().as_encoded_bytes());
        names.push(0);
        if entry.file_type()?.is_dir() {
            list(tree, &name, names)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_command_as_they_are() {
        let words = ["printf", "%s|", "a b", "it's", "$HOME", "", "*"].map(String::from);
        let output =
            process::capture(Command::new("sh").args(["-c", &command_script(&words).unwrap()])).unwrap();
        assert_eq!(output, "a b|it's|$HOME||*|");
    }

    #[test]
    fn a_program_with_an_interpreter_is_not_static() {
        let ourselves = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(is_static(&ourselves), Some(false));
        assert_eq!(is_static(b"#!/bin/sh\n"), None);
        assert_eq!(is_static(&ourselves[..0x20]), None);
    }
}
