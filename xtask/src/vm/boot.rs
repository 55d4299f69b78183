//! The machine: qemu with four serial ports, run to its end or its deadline.

use super::initramfs::END_MARK;
use super::stream::{self, StreamEnd};
use super::{Preempt, Processors, Traits};
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const QEMU: &str = "qemu-system-x86_64";
/// How many lines of the kernel's console an error shows.
const CONSOLE_TAIL: usize = 40;

/// How guest time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// With the host's.
    Wall,
    /// By counting instructions, so that measurements repeat.
    Instructions,
}

/// What to boot.
#[derive(Debug)]
pub(super) struct Machine {
    /// The kernel image.
    pub kernel: PathBuf,
    /// The initramfs, with an init that speaks the ports' protocol.
    pub initramfs: PathBuf,
    /// What it is like.
    pub traits: Traits,
    /// The longest it may run.
    pub timeout: Duration,
}

/// Why a machine did not run to the command's end.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// qemu is not there.
    #[error("cannot start {QEMU}: {source}; install qemu-system-x86")]
    NoQemu {
        /// Why.
        source: io::Error,
    },
    /// qemu ended before it had a machine.
    #[error("{QEMU} did not start a machine: {detail}")]
    NoMachine {
        /// What it said.
        detail: String,
    },
    /// The guest's kernel panicked.
    #[error("guest kernel panic; the end of its console:\n{console}")]
    Panic {
        /// The console's last lines.
        console: String,
    },
    /// The deadline passed.
    #[error("timeout: the guest was still {doing} after {seconds} s; the end of its console:\n{console}")]
    Timeout {
        /// Booting or running the command.
        doing: &'static str,
        /// The limit.
        seconds: u64,
        /// The console's last lines.
        console: String,
    },
    /// The guest's init could not prepare the machine.
    #[error("guest set-up failed: {reason}; the end of its console:\n{console}")]
    Setup {
        /// What init said.
        reason: String,
        /// The console's last lines.
        console: String,
    },
    /// The guest stopped without a status or with half its output.
    #[error("the guest stopped before the command's end was known; the end of its console:\n{console}")]
    Stopped {
        /// The console's last lines.
        console: String,
    },
    /// A file, socket or stream of ours failed.
    #[error("cannot follow the guest: {0}")]
    Follow(#[from] io::Error),
}

/// Boots `machine`, copies its command's output as it comes and gives the command's exit status.
/// `scratch` is a folder for sockets and logs.
///
/// # Errors
/// [`BootError`] if the machine does not come to the command's end.
pub(super) fn boot(
    scratch: &Path,
    machine: &Machine,
    stdout: &mut (dyn Write + Send),
    stderr: &mut (dyn Write + Send),
) -> Result<u8, BootError> {
    let deadline = Instant::now() + machine.timeout;
    let console = scratch.join("console");
    let complaints = scratch.join("qemu");
    let listeners = ["stdout", "stderr", "status"].map(|name| UnixListener::bind(scratch.join(name)));
    let mut command = qemu(scratch, machine);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&complaints)?);
    let mut guest = Guest(command.spawn().map_err(|source| BootError::NoQemu { source })?);

    let mut ports = Vec::new();
    for listener in listeners {
        let Some(port) = accept(&listener?, &mut guest.0, deadline)? else {
            let detail = std::fs::read_to_string(&complaints).unwrap_or_default().trim().to_owned();
            return Err(BootError::NoMachine { detail });
        };
        ports.push(port);
    }
    let [out, err, status] = <[UnixStream; 3]>::try_from(ports).expect("INVARIANT: one port per listener");

    let (open, closed) = mpsc::channel();
    let (ends, status, timed_out) = thread::scope(|scope| {
        let (out_open, err_open) = (open.clone(), open.clone());
        let out = scope.spawn(move || closing(out_open, || copy(out, stdout)));
        let err = scope.spawn(move || closing(err_open, || copy(err, stderr)));
        let status = scope.spawn(move || closing(open, || read_status(status)));
        // Nothing is ever sent: the channel closes when the last port is read to its end.
        let timed_out = matches!(
            closed.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            Err(mpsc::RecvTimeoutError::Timeout)
        );
        if timed_out {
            guest.stop();
        }
        let joined = "INVARIANT: readers of ports do not panic";
        let ends = (out.join().expect(joined), err.join().expect(joined));
        (ends, status.join().expect(joined), timed_out)
    });
    if !timed_out {
        guest.0.wait()?;
    }
    let words = status?;
    let console = tail(&console);
    if timed_out {
        let doing = if words.started { "running the command" } else { "booting" };
        return Err(BootError::Timeout { doing, seconds: machine.timeout.as_secs(), console });
    }
    let complete = ends.0? == StreamEnd::Marked && ends.1? == StreamEnd::Marked;
    match (words.exit, words.failure) {
        (Some(exit), _) if complete => Ok(exit),
        (_, Some(reason)) => Err(BootError::Setup { reason, console }),
        _ if console.contains("Kernel panic") => Err(BootError::Panic { console }),
        _ => Err(BootError::Stopped { console }),
    }
}

fn qemu(scratch: &Path, machine: &Machine) -> Command {
    // The machine must not outlive us, however we end.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", QEMU]);
    command.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-cpu",
        "max",
        "-m",
        "2G",
    ]);
    let traits = &machine.traits;
    // With several processors, the emulator at times runs an instruction that another processor has just patched
    // away, and a guest that attaches programs patches itself all the time: a second one is on when the guest says so.
    let (count, processors) = match traits.processors {
        Processors::One => ("1", ""),
        Processors::SecondOff => ("2", "maxcpus=1 "),
    };
    command.args(["-smp", count]);
    match traits.clock {
        Clock::Wall => command.args(["-accel", "tcg,thread=multi"]),
        Clock::Instructions => command.args(["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]),
    };
    command.arg("-kernel").arg(&machine.kernel).arg("-initrd").arg(&machine.initramfs);
    let lsm = &traits.lsm;
    let preempt = match traits.preempt {
        Preempt::AsBuilt => "",
        Preempt::Full => "preempt=full ",
    };
    let line =
        format!("console=ttyS0 loglevel=5 panic=-1 oops=panic {processors}{preempt}lsm={lsm} rdinit=/init");
    command.arg("-append").arg(line).arg("-chardev");
    command.arg(format!("file,id=console,path={}", option_value(&scratch.join("console"))));
    for name in ["stdout", "stderr", "status"] {
        let path = option_value(&scratch.join(name));
        command.arg("-chardev").arg(format!("socket,id={name},path={path}"));
    }
    for name in ["console", "stdout", "stderr", "status"] {
        command.arg("-serial").arg(format!("chardev:{name}"));
    }
    command
}

/// A path within one of qemu's option lists, where a comma is written twice.
fn option_value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// A running qemu that ends with us.
struct Guest(Child);

impl Guest {
    fn stop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop();
    }
}

/// qemu's connection, or `None` if it ended or the deadline came first.
fn accept(listener: &UnixListener, qemu: &mut Child, deadline: Instant) -> io::Result<Option<UnixStream>> {
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Ok((port, _)) => {
                port.set_nonblocking(false)?;
                return Ok(Some(port));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if qemu.try_wait()?.is_some() || Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Does `work` and lets go of `end` after it.
fn closing<T>(end: mpsc::Sender<()>, work: impl FnOnce() -> T) -> T {
    let done = work();
    drop(end);
    done
}

fn copy(mut port: UnixStream, sink: &mut (dyn Write + Send)) -> io::Result<StreamEnd> {
    stream::copy_to_mark(&mut port, sink, END_MARK)
}

/// What init said on the status port.
#[derive(Debug, Default, PartialEq, Eq)]
struct Words {
    started: bool,
    exit: Option<u8>,
    failure: Option<String>,
}

fn read_status(mut port: UnixStream) -> io::Result<Words> {
    let mut bytes = Vec::new();
    match port.read_to_end(&mut bytes) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
        _ => Ok(words(&String::from_utf8_lossy(&bytes))),
    }
}

fn words(text: &str) -> Words {
    let mut words = Words::default();
    for line in text.lines().map(str::trim) {
        if line == "started" {
            words.started = true;
        } else if let Some(exit) = line.strip_prefix("exit ") {
            words.exit = exit.parse().ok();
        } else if let Some(reason) = line.strip_prefix("failed: ") {
            words.failure = Some(reason.to_owned());
        }
    }
    words
}

fn tail(console: &Path) -> String {
    let text = std::fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines[lines.len().saturating_sub(CONSOLE_TAIL)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        assert_eq!(words("started\nexit 7\n"), Words { started: true, exit: Some(7), failure: None });
        assert_eq!(words("failed: no proc\r\n").failure.as_deref(), Some("no proc"));
        assert_eq!(words("exit 999\n").exit, None);
    }
}
