//! Who calls: subjects, ids, and a server that is no longer there.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use boesfs_abi::op::Op;
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use crate::mounted::{COVERED, Case, Fate, PLAIN, Test, told};
use crate::policy::{Rules, deny};

/// The tests of this file.
pub(crate) const TESTS: &[Test] = &[
    ("programs_are_told_apart", programs_are_told_apart),
    ("a_program_without_a_name_is_no_other", a_program_without_a_name_is_no_other),
    ("an_inherited_descriptor_is_judged_by_who_uses_it", an_inherited_descriptor_is_judged_by_who_uses_it),
    ("rights_to_files_are_the_callers", rights_to_files_are_the_callers),
    ("what_belongs_to_nobody_here_can_be_written_to", what_belongs_to_nobody_here_can_be_written_to),
    ("processes_beneath_are_not_shown", processes_beneath_are_not_shown),
    (
        "other_file_systems_beneath_have_numbers_of_their_own",
        other_file_systems_beneath_have_numbers_of_their_own,
    ),
    ("a_mount_of_the_sandboxs_own_stays", a_mount_of_the_sandboxs_own_stays),
    ("nothing_is_there_without_the_server", nothing_is_there_without_the_server),
];

fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

fn said(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn programs_are_told_apart() -> Case {
    Case {
        rules: || {
            let rules = vec![deny(Op::Read, "/data").class(1), deny(Op::Write, "/data").class(2)];
            Rules::of(rules).telling(&["first", "second"])
        },
        before: |dir| {
            fs::write(dir.join("data"), b"data").unwrap();
            fs::copy("/bin/cat", dir.join("first")).unwrap();
            fs::copy("/bin/sh", dir.join("second")).unwrap();
            fs::write(dir.join("script"), format!("#!{}/second\n: >> {0}/data\n", dir.display())).unwrap();
            fs::set_permissions(dir.join("script"), fs::Permissions::from_mode(0o755)).unwrap();
        },
        inside: |dir| {
            let data = dir.join("data");
            assert_eq!(fs::read(&data).unwrap(), b"data");
            assert!(!run(&dir.join("first"), &[said(&data)]).status.success());
            let reads = format!("cat {}", data.display());
            assert_eq!(run(&dir.join("second"), &["-c", &reads]).stdout, b"data", "cat by its other name");
            let writes = format!(": >> {}", data.display());
            assert!(!run(&dir.join("second"), &["-c", &writes]).status.success());
            assert!(!run(&dir.join("script"), &[]).status.success(), "a script is its interpreter");
            // The class is that of what runs now: an exec changes it.
            let becomes = format!("exec {}/first {}", dir.display(), data.display());
            assert!(!run(&dir.join("second"), &["-c", &becomes]).status.success());
        },
        after: |dir, events| {
            assert_eq!(
                told(events),
                ["deny read /data", "deny write /data", "deny write /data", "deny read /data"]
            );
            let first: serde_json::Value = serde_json::from_str(&events[0]).unwrap();
            assert_eq!(first["sub"], dir.join("first").to_str().unwrap());
        },
        ..PLAIN
    }
}

fn a_program_without_a_name_is_no_other() -> Case {
    Case {
        rules: || Rules::of(vec![deny(Op::Read, "/secret")]).telling(&["named"]),
        before: |dir| {
            fs::write(dir.join("data"), b"data\n").unwrap();
            for name in ["named", "unnamed", "named (deleted)"] {
                fs::copy("/bin/sh", dir.join(name)).unwrap();
            }
        },
        inside: |dir| {
            let reads = format!("read line < {0}/data && echo $line", dir.display());
            let removed = format!("rm \"$0\"; {reads}");
            let output = |name: &str, script: &str| {
                let program = dir.join(name);
                run(&program, &["-c", script, said(&program)]).stdout
            };
            assert_eq!(output("named", &reads), b"data\n");
            assert_eq!(output("named", &removed), b"data\n", "no file is really called so");
            fs::copy("/bin/sh", dir.join("named")).unwrap();
            assert_eq!(output("unnamed", &removed), b"data\n", "of the same class by either reading");
            assert_eq!(output("named (deleted)", &reads), b"", "by one reading it is `named`");
            assert_eq!(output("named", &removed), b"");
        },
        after: |_, events| {
            let reasons: Vec<serde_json::Value> = events
                .iter()
                .map(|event| serde_json::from_str::<serde_json::Value>(event).unwrap()["reason"].clone())
                .collect();
            assert!(
                !reasons.is_empty() && reasons.iter().all(|reason| reason == "unresolved"),
                "{events:#?}"
            );
        },
        ..PLAIN
    }
}

fn an_inherited_descriptor_is_judged_by_who_uses_it() -> Case {
    Case {
        rules: || Rules::of(vec![deny(Op::Read, "/data").class(1)]).telling(&["first"]),
        before: |dir| {
            fs::write(dir.join("data"), b"data").unwrap();
            fs::copy("/bin/cat", dir.join("first")).unwrap();
            fs::copy("/bin/cat", dir.join("other")).unwrap();
        },
        inside: |dir| {
            let open = || File::open(dir.join("data")).unwrap();
            assert_eq!(fs::read(dir.join("data")).unwrap(), b"data");
            let through = |name: &str| Command::new(dir.join(name)).stdin(open()).output().unwrap();
            assert_eq!(through("other").stdout, b"data");
            let refused = through("first");
            assert!(refused.stdout.is_empty() && !refused.status.success());
        },
        ..PLAIN
    }
}

fn rights_to_files_are_the_callers() -> Case {
    const USER: u32 = 1000;
    Case {
        before: |dir| {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o1777)).unwrap();
            for (name, owner) in [("roots", 0), ("users", USER)] {
                fs::write(dir.join(name), name).unwrap();
                fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
                chown(dir.join(name), Some(owner), Some(owner)).unwrap();
            }
            fs::create_dir(dir.join("closed")).unwrap();
            fs::write(dir.join("closed/f"), b"").unwrap();
            fs::set_permissions(dir.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
        },
        inside: |dir| {
            let user = |script: &str| {
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(script).current_dir(dir).uid(USER).gid(USER);
                shell.output().unwrap().status.success()
            };
            assert!(user("cat users"));
            assert!(!user("cat roots"));
            assert!(!user("cat closed/f"));
            assert!(!user("test -r roots"));
            assert!(!user("chmod 644 roots"));
            assert!(!user("rm -f roots"), "the directory is sticky");
            assert!(user("echo x > made && mkdir made.d"));
            assert_eq!(fs::metadata(dir.join("made")).unwrap().uid(), USER);
            // Root of the sandbox has no capability over files here.
            assert_eq!(fs::read(dir.join("roots")).unwrap(), b"roots");
            let refused = OpenOptions::new().read(true).open(dir.join("users")).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
        },
        after: |dir, _| {
            assert_eq!(fs::metadata(dir.join("made.d")).unwrap().gid(), USER);
            assert!(dir.join("roots").exists());
        },
        ..PLAIN
    }
}

fn what_belongs_to_nobody_here_can_be_written_to() -> Case {
    Case {
        before: |dir| {
            for (name, mode) in [("open", 0o777), ("closed", 0o755)] {
                fs::create_dir(dir.join(name)).unwrap();
                fs::set_permissions(dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
                chown(dir.join(name), Some(1000), Some(1000)).unwrap();
            }
        },
        inside: |dir| {
            fs::write(dir.join("open/f"), b"f").unwrap();
            fs::rename(dir.join("open/f"), dir.join("open/g")).unwrap();
            let refused = File::create(dir.join("closed/f")).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
            assert_ne!(fs::metadata(dir.join("closed")).unwrap().uid(), 0);
        },
        after: |dir, _| assert_eq!(fs::metadata(dir.join("open")).unwrap().uid(), 1000),
        ids: "0 0 1",
        ..PLAIN
    }
}

fn processes_beneath_are_not_shown() -> Case {
    Case {
        before: |dir| {
            fs::create_dir(dir.join("proc")).unwrap();
            fs::create_dir(dir.join("other")).unwrap();
        },
        beneath: |dir| {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some("/proc"), &dir.join("proc"), None::<&str>, flags, None::<&str>).unwrap();
        },
        inside: |dir| {
            for refused in [fs::read_link(dir.join("proc/self")).err(), fs::read_dir(dir.join("proc")).err()]
            {
                assert_eq!(refused.unwrap().raw_os_error(), Some(libc::EACCES));
            }
            // It can be covered by a process file system of the sandbox's own.
            assert!(fs::metadata(dir.join("proc")).unwrap().is_dir());
            fs::write(dir.join("other/f"), b"").unwrap();
        },
        ..PLAIN
    }
}

fn other_file_systems_beneath_have_numbers_of_their_own() -> Case {
    Case {
        before: |dir| {
            fs::create_dir(dir.join("one")).unwrap();
            fs::create_dir(dir.join("two")).unwrap();
        },
        beneath: |dir| {
            for name in ["one", "two"] {
                let place = dir.join(name);
                mount(Some("tmpfs"), &place, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
                fs::write(place.join("f"), name).unwrap();
            }
        },
        inside: |dir| {
            let ino = |path: &str| fs::metadata(dir.join(path)).unwrap().ino();
            let numbers = [ino(""), ino("one"), ino("two"), ino("one/f"), ino("two/f")];
            let mut distinct = numbers.to_vec();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), numbers.len());
            assert_eq!(fs::read(dir.join("two/f")).unwrap(), b"two");
            let moved = fs::rename(dir.join("one/f"), dir.join("two/g")).unwrap_err();
            assert_eq!(moved.raw_os_error(), Some(libc::EXDEV));
            assert!(run(Path::new("/usr/bin/find"), &[said(dir)]).stderr.is_empty(), "no loop is seen");
        },
        ..PLAIN
    }
}

fn a_mount_of_the_sandboxs_own_stays() -> Case {
    Case {
        rules: || Rules::of(vec![deny(Op::Lookup, "/covered"), deny(Op::Read, "/x")]).telling(&["named"]),
        before: |dir| {
            fs::create_dir(dir.join(COVERED)).unwrap();
            fs::write(dir.join("covered/beneath"), b"").unwrap();
            fs::copy("/bin/sh", dir.join("named")).unwrap();
        },
        inside: |dir| {
            let above = dir.join(COVERED);
            fs::write(above.join("above"), b"").unwrap();
            // By somebody of whom nothing is known, the name is looked up all the same.
            let script = format!("rm \"$0\"; : < {0}/above; : < {0}/beneath", above.display());
            run(&dir.join("named"), &["-c", &script, said(&dir.join("named"))]);
            assert!(above.join("above").exists() && !above.join("beneath").exists());
            assert!(fs::remove_dir(&above).is_err());
            assert!(fs::rename(&above, dir.join("elsewhere")).is_err());
            assert!(above.join("above").exists() && !above.join("beneath").exists());
        },
        after: |dir, _| assert!(dir.join("covered/beneath").exists()),
        ..PLAIN
    }
}

fn nothing_is_there_without_the_server() -> Case {
    Case {
        before: |dir| fs::write(dir.join("f"), b"f").unwrap(),
        inside: |dir| {
            let file = File::open(dir.join("f")).unwrap();
            let server = getppid();
            kill(server, Signal::SIGKILL).unwrap();
            // The parent changes when the server is gone.
            while getppid() == server {
                std::thread::yield_now();
            }
            assert_ne!(getppid(), Pid::from_raw(0));
            let gone = |error: std::io::Error| {
                matches!(error.raw_os_error(), Some(libc::ENOTCONN | libc::ECONNABORTED | libc::EIO))
            };
            assert!(gone(fs::read(dir.join("f")).unwrap_err()));
            assert!(gone(File::create(dir.join("g")).unwrap_err()));
            assert!(gone(file.metadata().unwrap_err()));
            fs::write(dir.with_file_name("reached"), b"").unwrap();
        },
        after: |dir, _| assert!(dir.with_file_name("reached").exists() && !dir.join("g").exists()),
        server: Fate::IsKilled,
        ..PLAIN
    }
}
