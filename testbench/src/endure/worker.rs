//! What runs in the sandboxes of endurance tests: asks, and tells what it was answered.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use boesfs_runtime::sys::bpf;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::fs::IFlags;
use rustix::io::Errno;

use super::stage::{BOTH, FREE, ONE, PROGRAM, TWO};

/// The files a worker opens, over and over.
pub(super) const CYCLE: [&str; 4] = [ONE, BOTH, TWO, BOTH];
/// How many answers it tells at once: what it tells is written to a pipe whole, whoever else writes there.
pub(super) const BATCH: usize = 96;

/// It was opened.
pub(super) const OPENED: u8 = b'o';
/// EACCES.
pub(super) const ACCES: u8 = b'a';
/// EPERM.
pub(super) const PERM: u8 = b'p';
/// Anything else.
pub(super) const OTHER: u8 = b'?';

/// Said when something was opened that must not be.
pub(super) const LAPSE: &str = "lapse";
/// Said when something was not opened that may be.
pub(super) const STUCK: &str = "stuck";
/// Said after each turn in which everything was as it must be.
pub(super) const FINE: &str = "fine";

/// `FS_CASEFOLD_FL` of the kernel's `linux/fs.h`.
const CASEFOLD: u32 = 0x4000_0000;

/// Makes the empty directory `dir` one in which case does not count.
///
/// # Errors
/// If its file system cannot.
pub fn fold_case(dir: &Path) -> io::Result<()> {
    let dir = File::open(dir)?;
    let flags = rustix::fs::ioctl_getflags(&dir)?;
    Ok(rustix::fs::ioctl_setflags(&dir, flags | IFlags::from_bits_retain(CASEFOLD))?)
}

/// Tries what may and may not be done with the standard descriptors, if they are files outside a sandbox.
///
/// # Errors
/// If the standard input can be cut or opened by its name in `/proc`, or the standard output not be cut.
pub fn given() -> io::Result<()> {
    let name = "/proc/self/fd/0";
    let done = [
        ("cut", nix::unistd::truncate(name, 0).is_ok()),
        ("opened to write", File::options().write(true).open(name).is_ok()),
        ("opened to read", File::open(name).is_ok()),
    ];
    if let Some((what, _)) = done.iter().find(|(_, done)| *done) {
        return Err(io::Error::other(format!("{name} can be {what}")));
    }
    Ok(rustix::fs::ftruncate(io::stdout(), 0)?)
}

/// Tries to give the standard input an attribute.
///
/// # Errors
/// If that is not refused with EACCES.
pub fn label() -> io::Result<()> {
    match rustix::fs::fsetxattr(io::stdin(), c"user.boesfs", b"x", rustix::fs::XattrFlags::empty()) {
        Err(Errno::ACCESS) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) => Err(io::Error::other("the standard input takes attributes")),
    }
}

/// Prints which of the pinned objects in `dir` can be opened.
///
/// # Errors
/// If the directory cannot be read.
pub fn reach(dir: &Path) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for pin in std::fs::read_dir(dir)? {
        let path = pin?.path();
        let name = CString::new(path.as_os_str().as_bytes())?;
        if bpf::pinned(&name).is_ok() {
            writeln!(out, "{}", path.display())?;
        }
    }
    Ok(())
}

/// Says that it runs `program`, which the kernel takes from nobody whose own program is still mapped.
///
/// # Errors
/// EPERM, if not even that may be said, and whatever keeps `program` from being opened.
pub fn pose(program: &Path) -> io::Result<()> {
    match rustix::process::set_executable_file(File::open(program)?.as_fd()) {
        Err(Errno::BUSY) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(()) => Err(io::Error::other("a program was taken for another")),
    }
}

/// Runs `command` from its first system call on under a tracer that has it do as it likes.
///
/// # Errors
/// If it does not run, cannot be traced or ends with another status than 0.
pub fn trace(command: &[OsString]) -> io::Result<()> {
    let pid = seize(command, ptrace::Options::empty())?;
    loop {
        match waitpid(pid, None)? {
            WaitStatus::Exited(_, 0) => return Ok(()),
            WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal)?,
            WaitStatus::PtraceEvent(..) => ptrace::cont(pid, None)?,
            ended => return Err(io::Error::other(format!("{ended:?}"))),
        }
    }
}

/// Runs `command` and kills it when it begins its call of bpf(2) number `calls`, counted from 1; whether it came to that.
///
/// # Errors
/// If it does not run or cannot be traced.
pub fn cut_short(calls: u64, command: &[OsString]) -> io::Result<bool> {
    let pid = seize(command, ptrace::Options::PTRACE_O_TRACESYSGOOD)?;
    let (mut seen, mut begins) = (0, false);
    loop {
        let signal = match waitpid(pid, None)? {
            WaitStatus::PtraceSyscall(_) => {
                begins = !begins;
                seen += u64::from(begins && ptrace::getregs(pid)?.orig_rax == nix::libc::SYS_bpf as u64);
                if seen == calls {
                    kill(pid, Signal::SIGKILL)?;
                    waitpid(pid, None)?;
                    return Ok(true);
                }
                None
            }
            WaitStatus::Stopped(_, signal) => Some(signal),
            WaitStatus::PtraceEvent(..) => None,
            _ => return Ok(false),
        };
        ptrace::syscall(pid, signal)?;
    }
}

/// Starts `command`, traced from before it runs.
fn seize(command: &[OsString], options: ptrace::Options) -> io::Result<Pid> {
    // Stopped before it is what is to be traced.
    let child =
        Command::new("/bin/sh").args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]).args(command).spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    ptrace::seize(pid, options)?;
    kill(pid, Signal::SIGCONT)?;
    Ok(pid)
}

fn answer(path: &Path) -> u8 {
    match File::open(path).map_err(|error| error.raw_os_error()) {
        Ok(_) => OPENED,
        Err(Some(13)) => ACCES,
        Err(Some(1)) => PERM,
        Err(_) => OTHER,
    }
}

/// Starts `workers` processes that ask, and waits for them.
///
/// # Errors
/// If one cannot be started or does not end well.
pub fn ask_together(dir: &Path, workers: usize) -> io::Result<()> {
    let mut started = Vec::new();
    for worker in 0..workers {
        let index = worker.to_string();
        started.push(Command::new(PROGRAM).args(["endure-worker", "ask"]).arg(dir).arg(index).spawn()?);
    }
    for mut child in started {
        if !child.wait()?.success() {
            return Err(io::Error::other("a worker failed"));
        }
    }
    Ok(())
}

/// Opens the files of worker `index` below `dir` in turn, tells the answers on the standard output in batches, and waits
/// for a byte on the standard input before each; ends with that.
///
/// # Errors
/// If nobody listens.
pub fn ask(dir: &Path, index: u8) -> io::Result<()> {
    let files: Vec<PathBuf> = CYCLE.iter().map(|name| dir.join(index.to_string()).join(name)).collect();
    let (mut tokens, mut out) = (io::stdin().lock(), io::stdout().lock());
    let mut token = [0];
    while tokens.read(&mut token)? == 1 {
        let mut batch = vec![index];
        batch.extend(files.iter().cycle().take(BATCH).map(|file| answer(file)));
        out.write_all(&batch)?;
        out.flush()?;
    }
    Ok(())
}

/// Writes to `to` what is in the program `from`, with the build's name `old` in it replaced by `new`, of the same length:
/// another build.
///
/// # Errors
/// If there is no such name, or a file cannot be read or written.
pub fn rename_build(from: &Path, to: &Path, old: &str, new: &str) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut program = std::fs::read(from)?;
    let (old, new) = (old.as_bytes(), new.as_bytes());
    let found: Vec<usize> =
        (0..program.len().saturating_sub(old.len())).filter(|at| program[*at..].starts_with(old)).collect();
    if found.is_empty() || old.len() != new.len() {
        return Err(io::Error::other("the program does not have that name"));
    }
    for at in found {
        program[at..at + new.len()].copy_from_slice(new);
    }
    std::fs::write(to, program)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755))
}

/// How often a file is opened for one time, and how many times are taken.
const TURNS: (u32, usize) = (1000, 21);

/// For each byte on the standard input, tells how many nanoseconds it takes to open and close `file`.
///
/// # Errors
/// If it cannot be opened, or nobody listens.
pub fn gauge(file: &Path) -> io::Result<()> {
    let (turns, samples) = TURNS;
    let mut byte = [0];
    while io::stdin().lock().read(&mut byte)? == 1 {
        let mut times = Vec::new();
        // The first fill caches.
        for _ in 0..2 * samples {
            let began = Instant::now();
            for _ in 0..turns {
                File::open(file)?;
            }
            times.push(began.elapsed().as_nanos() as f64 / f64::from(turns));
        }
        let last = &mut times[samples..];
        last.sort_by(f64::total_cmp);
        writeln!(io::stdout(), "{}", last[samples / 2])?;
    }
    Ok(())
}

/// Opens what may and what must not be opened below `dir`, until it is killed; says so when either is not so.
///
/// # Errors
/// If nobody listens.
pub fn watch(dir: &Path, pause: Duration) -> io::Result<()> {
    let (free, both) = (dir.join("0").join(FREE), dir.join("0").join(BOTH));
    let mut out = io::stdout().lock();
    loop {
        let word = match (answer(&free), answer(&both)) {
            (_, OPENED) => LAPSE,
            (OPENED, ACCES | PERM) => FINE,
            _ => STUCK,
        };
        writeln!(out, "{word}")?;
        out.flush()?;
        std::thread::sleep(pause);
    }
}
