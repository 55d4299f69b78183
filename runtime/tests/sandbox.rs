//! The sandbox alone, on which no policy is enforced: what it lets in and out, and that nothing is left of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use support::{Ready, said};

/// The example that runs a command in a sandbox without a policy.
fn bare() -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_boesfs")).with_file_name("examples").join("bare");
    assert!(path.exists(), "{} is missing: cargo build -p boesfs-runtime --examples", path.display());
    path
}

/// A command line that ends in `-- sh -c SCRIPT`. No signal is ignored, whatever ran this test ignores: a shell cannot
/// trap a signal that was ignored when it began.
fn script(program: &Path, options: &[&str], script: &str) -> Command {
    let mut command = Command::new("env");
    command
        .arg("--default-signal")
        .arg(program)
        .args(options)
        .args(["--", "sh", "-c", script])
        .stdin(Stdio::null());
    command
}

const GATES: [&[&str]; 2] = [&["--gate", "open"], &["--gate", "stopped"]];

#[test]
fn the_exit_status_is_the_commands_own() {
    for gate in GATES {
        for (line, status) in [
            ("exit 0", 0),
            ("exit 7", 7),
            ("exit 255", 255),
            ("kill -TERM $$", 143),
            ("kill -KILL $$", 137),
            ("kill -SEGV $$", 139),
            ("kill -34 $$", 162),
            ("kill -64 $$", 192),
        ] {
            let said = said(&mut script(&bare(), gate, line));
            assert_eq!((said.status, said.err.as_str()), (status, ""), "{line} with {gate:?}");
        }
    }
}

#[test]
fn what_cannot_be_executed_has_a_status_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let orphan = dir.path().join("orphan");
    fs::write(&orphan, "#!/nonexistent/interpreter\n").unwrap();
    fs::set_permissions(&orphan, fs::Permissions::from_mode(0o755)).unwrap();
    let plain = dir.path().join("plain");
    fs::write(&plain, "").unwrap();
    for gate in GATES {
        for (command, status, complaint) in [
            ("no-such-command", 127, "command `no-such-command` not found"),
            ("/no/such/command", 127, "not found"),
            ("", 127, "not found"),
            (plain.to_str().unwrap(), 126, "permission denied"),
            (dir.path().to_str().unwrap(), 126, "permission denied"),
            (orphan.to_str().unwrap(), 126, "its interpreter does not exist"),
        ] {
            let said = said(Command::new(bare()).args(gate).args(["--", command]));
            assert_eq!(said.status, status, "{command} with {gate:?}: {}", said.err);
            assert!(said.err.contains(complaint), "{}", said.err);
        }
    }
}

#[test]
fn signals_reach_the_command() {
    for gate in GATES {
        for signal in [
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGINT,
            Signal::SIGQUIT,
            Signal::SIGUSR1,
            Signal::SIGUSR2,
            Signal::SIGWINCH,
        ] {
            let name = signal.as_str().strip_prefix("SIG").unwrap();
            let waiting = format!("trap 'exit 33' {name}; echo ready; sleep 1000 & wait");
            let sandbox = Ready::start(&mut script(&bare(), gate, &waiting));
            kill(sandbox.pid(), signal).unwrap();
            assert_eq!(sandbox.end(), 33, "{signal} with {gate:?}");
        }
    }
}

#[test]
fn a_signal_the_command_does_not_catch_ends_it() {
    let sandbox = Ready::start(&mut script(&bare(), &[], "echo ready; exec sleep 1000"));
    kill(sandbox.pid(), Signal::SIGINT).unwrap();
    assert_eq!(sandbox.end(), 130);
}

#[test]
fn signals_are_as_the_caller_left_them() {
    let line =
        format!("trap '' USR1; exec {} -- grep -E '^Sig(Blk|Ign):' /proc/self/status", bare().display());
    let said = said(Command::new("sh").args(["-c", &line]));
    let mask = |name: &str| {
        let line = said.out.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    let bit = |signal: Signal| 1_u64 << (signal as i32 - 1);
    assert_eq!(mask("SigBlk:"), 0);
    assert_ne!(mask("SigIgn:") & bit(Signal::SIGUSR1), 0, "ignored by the caller");
    assert_eq!(mask("SigIgn:") & bit(Signal::SIGPIPE), 0, "ignored by the runtime alone");
}

#[test]
fn zombies_are_reaped() {
    let orphans = "for i in 1 2 3 4 5; do (true &); done; \
        while grep -q '^State:.Z' /proc/[0-9]*/status; do :; done; echo none left";
    assert_eq!(said(&mut script(&bare(), &[], orphans)).out, "none left\n");
}

#[test]
fn an_orphan_that_dies_of_any_signal_is_reaped() {
    for signal in [libc::SIGKILL, 34, libc::SIGRTMAX()] {
        let line = format!(
            "pid=$(sh -c 'sh -c \"echo \\$\\$; kill -{signal} \\$\\$\" &'); while [ -e /proc/$pid ]; do :; done; exit 7"
        );
        let said = said(&mut script(&bare(), &[], &line));
        assert_eq!((said.status, said.err.as_str()), (7, ""), "signal {signal}");
    }
}

#[test]
fn what_the_command_leaves_running_ends_with_it() {
    // The output is held open by what still runs.
    let said = said(&mut script(&bare(), &[], "sleep 1000 & (setsid sleep 1000 &) ; exit 3"));
    assert_eq!(said.status, 3);
}

#[test]
fn nothing_survives_the_supervisor() {
    let line = "(setsid sleep 1000 &); echo ready; exec sleep 1000";
    let sandbox = Ready::start(&mut script(&bare(), &[], line));
    kill(sandbox.pid(), Signal::SIGKILL).unwrap();
    assert_eq!(sandbox.end(), 137);
}

#[test]
fn nothing_survives_the_keeper() {
    let sandbox = Ready::start(&mut script(&bare(), &[], "echo ready; exec sleep 1000"));
    let pid = sandbox.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    kill(Pid::from_raw(children.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    assert_eq!(sandbox.end(), 137);
}

#[test]
fn only_the_standard_descriptors_go_in() {
    let line = format!("exec 7</etc/passwd 9<&7; exec {} -- ls /proc/self/fd", bare().display());
    let said = said(Command::new("bash").args(["-c", &line]));
    // The fourth is the listing itself.
    assert_eq!(said.out, "0\n1\n2\n3\n", "{}", said.err);
}

#[test]
fn no_right_is_left() {
    let status =
        said(&mut script(&bare(), &[], "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")).out;
    let none = "0000000000000000";
    let expected = format!(
        "CapInh:\t{none}\nCapPrm:\t{none}\nCapEff:\t{none}\nCapBnd:\t{none}\nCapAmb:\t{none}\nNoNewPrivs:\t1\nSeccomp:\t2\n"
    );
    assert_eq!(status, expected);
}

/// Makes each (call, first argument) with zeros for the other arguments; the errno each sets.
fn errno_of_calls(calls: &[(i64, u64)]) -> Vec<i32> {
    let list: Vec<String> = calls.iter().map(|(number, first)| format!("[{number},{first}]")).collect();
    let perl = format!(
        "for ({}) {{ $! = 0; syscall($$_[0], $$_[1], 0, 0, 0, 0); print $!+0, \"\\n\" }}",
        list.join(",")
    );
    let said = said(Command::new(bare()).args(["--", "perl", "-e", &perl]));
    assert_eq!(said.status, 0, "{}", said.err);
    said.out.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn calls_that_change_what_paths_mean_are_refused() {
    let refused = [
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_setns,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_mount_setattr,
        libc::SYS_bpf,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_open_by_handle_at,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_swapon,
        libc::SYS_acct,
        libc::SYS_quotactl,
    ];
    let calls: Vec<(i64, u64)> = refused.iter().map(|number| (*number, 0)).collect();
    let answers = errno_of_calls(&calls);
    for (number, errno) in refused.iter().zip(answers) {
        assert_eq!(errno, libc::EPERM, "system call {number}");
    }
    let clone3 = errno_of_calls(&[(libc::SYS_clone3, 0)]);
    assert_eq!(clone3, [libc::ENOSYS]);
    // An ordinary call beside them passes: getpid sets no errno.
    assert_eq!(errno_of_calls(&[(libc::SYS_getpid, 0)]), [0]);
}

#[test]
fn no_namespace_can_be_made() {
    for flag in [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
        0x80,
    ] {
        let flag = u64::try_from(flag).unwrap();
        assert_eq!(errno_of_calls(&[(libc::SYS_unshare, flag)]), [libc::EPERM], "unshare {flag:#x}");
    }
    let clone = u64::try_from(libc::CLONE_NEWUSER | libc::SIGCHLD).unwrap();
    assert_eq!(errno_of_calls(&[(libc::SYS_clone, clone)]), [libc::EPERM]);
    // What no flag makes new can be unshared.
    assert_eq!(errno_of_calls(&[(libc::SYS_unshare, u64::try_from(libc::CLONE_FS).unwrap())]), [0]);
}

#[test]
fn input_cannot_be_put_into_a_terminal_outside() {
    let perl = "open(my $f, '<', '/dev/null'); \
        for (0x5412, 0x541c, 0x5413) { $! = 0; ioctl($f, $_, my $x = '0' x 64); print $!+0, \"\\n\" }";
    let said = said(Command::new(bare()).args(["--", "perl", "-e", perl]));
    // The third is TIOCGWINSZ, which passes and means nothing to this device.
    assert_eq!(said.out, format!("{0}\n{0}\n{1}\n", libc::EPERM, libc::ENOTTY));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_another_abi_kill() {
    let x32_getpid = "syscall(0x40000000 + 39)";
    let said = said(Command::new(bare()).args(["--", "perl", "-e", x32_getpid]));
    assert_eq!(said.status, 128 + libc::SIGSYS);
}

#[test]
fn the_sandbox_sees_its_own_processes_only() {
    let line = "for p in /proc/[0-9]*; do cat $p/comm; done; readlink /proc/1/root /proc/1/exe /proc/1/fd/0";
    let said = said(&mut script(&bare(), &[], line));
    assert_eq!(said.out, "bare\nsh\n", "{}", said.err);
    assert_ne!(said.status, 0, "the init must not be looked into");
}

#[test]
fn the_machine_cannot_be_configured() {
    let line = "for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /sys/kernel/mm/ksm/run; do \
        test -e $f || continue; (echo x > $f) 2>/dev/null && echo wrote $f; done; ls /dev";
    let said = said(&mut script(&bare(), &[], line));
    let devices = "fd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n";
    assert_eq!(said.out, devices);
}

#[test]
fn the_working_directory_is_entered_inside() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let said = said(script(&bare(), &[], "pwd -P; echo made > here").current_dir(&dir));
    assert_eq!(said.out, format!("{}\n", dir.display()));
    assert_eq!(fs::read_to_string(dir.join("here")).unwrap(), "made\n");
}

#[test]
fn what_is_made_belongs_to_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("made");
    let said = said(&mut script(&bare(), &[], &format!("umask 027; echo > {}; id -u", made.display())));
    let metadata = fs::metadata(&made).unwrap();
    assert_eq!(said.out, format!("{}\n", geteuid()));
    assert_eq!(metadata.uid(), geteuid().as_raw());
    assert_eq!(metadata.mode() & 0o7777, 0o640);
}

/// A copy of the example that everybody can reach, which the build directory need not be.
fn public_bare(dir: &Path) -> PathBuf {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
    let copy = dir.join("bare");
    fs::copy(bare(), &copy).unwrap();
    copy
}

#[test]
fn a_user_without_privileges_has_sandboxes_too() {
    const NOBODY: u32 = 65534;
    let dir = tempfile::tempdir().unwrap();
    let program = public_bare(dir.path());
    let user = if geteuid().is_root() { NOBODY } else { geteuid().as_raw() };
    for gate in GATES {
        let made = dir.path().join(format!("made-{}", gate[1]));
        let mut command = if geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        let line = format!("id -u; echo > {}; grep CapEff /proc/self/status; exit 9", made.display());
        let said = said(command.args(gate).args(["--", "sh", "-c", &line]).current_dir("/"));
        assert_eq!(said.out, format!("{user}\nCapEff:\t0000000000000000\n"), "{}", said.err);
        assert_eq!(said.status, 9);
        assert_eq!(fs::metadata(&made).unwrap().uid(), user);
    }
}

/// Runs `line` as root of user and mount namespaces of its own, where it may mount.
fn with_mounts(line: &str) -> support::Said {
    said(Command::new("unshare").args(["--user", "--map-root-user", "--mount", "sh", "-e", "-c", line]))
}

#[test]
fn another_root_is_the_root_inside() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    fs::create_dir(dir.join("root")).unwrap();
    let (root, bare) = (dir.join("root"), bare());
    let (root, bare) = (root.display(), bare.display());
    let work = dir.join("work");
    fs::create_dir(&work).unwrap();
    let work = work.display();
    let said = with_mounts(&format!(
        "mount --rbind / {root}; cd {root}{work}; {bare} --root {root} -- sh -c 'pwd; echo x > made; ls -d /proc/self; ls {root}'"
    ));
    assert_eq!(said.out, format!("{work}\n/proc/self\n"), "{}", said.err);
    assert_eq!(said.status, 0);
    assert_eq!(fs::read_to_string(dir.join("work/made")).unwrap(), "x\n");
}

#[test]
fn a_second_mount_of_the_protected_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    for name in ["protected", "protected/below", "other", "another"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    let (dir, bare) = (dir.display(), bare());
    let bare = bare.display();
    for (from, to, refused) in [
        ("protected", "other", true),
        ("protected/below", "other", true),
        (".", "other", true),
        ("other", "protected/below", true),
        ("other", "another", false),
    ] {
        let said = with_mounts(&format!(
            "mount --bind {dir}/{from} {dir}/{to}; exec {bare} --dir {dir}/protected -- echo ran"
        ));
        if refused {
            assert_eq!((said.status, said.out.as_str()), (125, ""), "{from} on {to}: {}", said.err);
            assert!(said.err.starts_with("bare: `") && said.err.contains("a second time"), "{}", said.err);
        } else {
            assert_eq!((said.status, said.out.as_str()), (0, "ran\n"), "{from} on {to}: {}", said.err);
        }
    }
}

#[test]
fn nothing_runs_if_the_plane_cannot_be_attached() {
    let dir = tempfile::tempdir().unwrap();
    let made = dir.path().join("made");
    for gate in GATES {
        let options = [gate, &["--refuse-attach"]].concat();
        let said = said(&mut script(&bare(), &options, &format!("echo > {}", made.display())));
        assert_eq!(said.status, 125);
        assert_eq!(said.err, "bare: cannot attach: lsm plane: refused as asked\n");
        assert!(!made.exists());
    }
}

#[test]
fn a_protected_directory_must_be_one() {
    for (dir, complaint) in [
        ("/etc/passwd", "is not a directory"),
        ("/nonexistent", "No such file or directory"),
        ("/proc/self", "which every sandbox has of its own"),
        ("/dev", "which every sandbox has of its own"),
    ] {
        let said = said(&mut script(&bare(), &["--dir", dir], "echo ran"));
        assert_eq!((said.status, said.out.as_str()), (125, ""));
        assert!(said.err.contains(complaint), "{}", said.err);
    }
}
