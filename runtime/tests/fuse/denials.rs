//! What is denied is denied, by every request that could do it, and told.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use boesfs_abi::op::Op;
use boesfs_abi::request::ArgValue;
use rustix::fs::{AtFlags, CWD, FallocateFlags, Mode, RenameFlags, XattrFlags};

use crate::mounted::{Case, PLAIN, Test, told};
use crate::policy::{Rules, deny};

/// The tests of this file.
pub(crate) const TESTS: &[Test] = &[
    ("each_operation_is_denied", each_operation_is_denied),
    ("hidden_names_are_not_there", hidden_names_are_not_there),
    ("tuples_are_tested_as_they_were_passed", tuples_are_tested_as_they_were_passed),
    ("mappings_are_denied", mappings_are_denied),
    ("shared_mappings_are_refused_to_one_of_many", shared_mappings_are_refused_to_one_of_many),
    ("moves_are_judged_on_both_ends", moves_are_judged_on_both_ends),
    ("attributes_do_not_leak_unasked", attributes_do_not_leak_unasked),
    ("a_path_is_judged_as_it_is_now", a_path_is_judged_as_it_is_now),
    ("reading_does_not_need_getattr", reading_does_not_need_getattr),
];

#[track_caller]
fn denied<T>(result: io::Result<T>) {
    refused(result, libc::EACCES);
}

#[track_caller]
fn refused<T>(result: io::Result<T>, errno: i32) {
    let error = result.err().map(|error| error.raw_os_error());
    assert_eq!(error, Some(Some(errno)), "expected errno {errno}");
}

fn nix<T>(result: rustix::io::Result<T>) -> io::Result<T> {
    Ok(result?)
}

fn each_operation_is_denied() -> Case {
    Case {
        rules: || {
            let ops = [
                (Op::Lookup, "/lookup"),
                (Op::Open, "/open"),
                (Op::Read, "/read"),
                (Op::Write, "/write"),
                (Op::Create, "/create"),
                (Op::Create, "/create2"),
                (Op::Mkdir, "/mkdir"),
                (Op::Rmdir, "/rmdir"),
                (Op::Unlink, "/unlink"),
                (Op::Mknod, "/mknod"),
                (Op::Link, "/link"),
                (Op::Symlink, "/symlink"),
                (Op::Rename, "/rename"),
                (Op::Setattr, "/setattr"),
                (Op::Getattr, "/getattr"),
                (Op::Getattr, "/getattr-link"),
                (Op::Llseek, "/llseek"),
                (Op::Iterate, "/iterate"),
                (Op::Statfs, "/statfs"),
                (Op::Fsync, "/fsync"),
                (Op::Fsync, "/fsync-dir"),
                (Op::Exec, "/exec"),
                (Op::Ioctl, "/ioctl"),
                (Op::Read, "/fifo"),
            ];
            Rules::of(ops.into_iter().map(|(op, path)| deny(op, path)).collect())
        },
        before: |dir| {
            let files = "lookup open read write unlink link rename setattr getattr llseek statfs fsync ioctl";
            for name in files.split(' ') {
                fs::write(dir.join(name), b"content").unwrap();
            }
            for name in ["rmdir", "iterate", "fsync-dir", "ok"] {
                fs::create_dir(dir.join(name)).unwrap();
            }
            symlink("ok", dir.join("getattr-link")).unwrap();
            fs::copy("/bin/true", dir.join("exec")).unwrap();
            rustix::fs::mkfifoat(CWD, dir.join("fifo"), Mode::from_raw_mode(0o600)).unwrap();
        },
        inside: |dir| {
            let at = |name: &str| dir.join(name);
            refused(File::open(at("lookup")), libc::ENOENT);
            refused(fs::metadata(at("lookup")), libc::ENOENT);
            refused(fs::write(at("lookup"), b""), libc::ENOENT);
            denied(File::open(at("open")));
            denied(File::open(at("read")));
            denied(OpenOptions::new().read(true).write(true).open(at("read")));
            OpenOptions::new().write(true).open(at("read")).unwrap();
            denied(OpenOptions::new().write(true).open(at("write")));
            denied(OpenOptions::new().write(true).truncate(true).open(at("write")));
            denied(nix(rustix::fs::open(at("write"), rustix::fs::OFlags::TRUNC, Mode::empty())));
            denied(truncate(&at("write")));
            assert_eq!(fs::read(at("write")).unwrap(), b"content");
            denied(File::create_new(at("create")));
            denied(nix(rustix::fs::mknodat(
                CWD,
                at("create2"),
                rustix::fs::FileType::RegularFile,
                Mode::from_raw_mode(0o600),
                0,
            )));
            denied(fs::create_dir(at("mkdir")));
            denied(fs::remove_dir(at("rmdir")));
            denied(fs::remove_file(at("unlink")));
            denied(nix(rustix::fs::mkfifoat(CWD, at("mknod"), Mode::from_raw_mode(0o600))));
            denied(std::os::unix::net::UnixListener::bind(at("mknod")));
            denied(fs::hard_link(at("link"), at("ok/link")));
            denied(symlink("anything", at("symlink")));
            denied(fs::rename(at("rename"), at("ok/rename")));
            denied(fs::set_permissions(at("setattr"), fs::Permissions::from_mode(0o600)));
            denied(nix(rustix::fs::chownat(
                CWD,
                at("setattr"),
                Some(rustix::fs::Uid::from_raw(0)),
                None,
                AtFlags::empty(),
            )));
            denied(File::open(at("setattr")).unwrap().set_modified(std::time::UNIX_EPOCH));
            denied(nix(rustix::fs::setxattr(at("setattr"), "user.x", b"", XattrFlags::empty())));
            denied(nix(rustix::fs::removexattr(at("setattr"), "user.x")));
            denied(fs::metadata(at("getattr")));
            denied(nix(rustix::fs::access(at("getattr"), rustix::fs::Access::READ_OK)));
            denied(nix(rustix::fs::getxattr(at("getattr"), "user.x", &mut [0; 8][..])));
            denied(nix(rustix::fs::listxattr(at("getattr"), &mut [0; 8][..])));
            denied(fs::read_link(at("getattr-link")));
            let file = File::open(at("llseek")).unwrap();
            denied(nix(rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(0))));
            denied(fs::read_dir(at("iterate")));
            denied(nix(rustix::fs::statvfs(at("statfs"))));
            denied(File::open(at("fsync")).unwrap().sync_all());
            denied(File::open(at("fsync")).unwrap().sync_data());
            denied(File::open(at("fsync-dir")).unwrap().sync_all());
            denied(Command::new(at("exec")).status());
            let file = File::open(at("ioctl")).unwrap();
            denied(nix(rustix::fs::ioctl_getflags(&file)));
            // Neither may it be opened, by which nothing is sent.
            denied(fs::metadata(at("fifo")));
        },
        after: |dir, events| {
            assert_eq!(fs::read(dir.join("lookup")).unwrap(), b"content");
            let events = told(events);
            for op in Op::from_name("lookup").into_iter().chain(boesfs_abi::op::OpSet::ALL.iter()) {
                let line = format!("deny {op} /");
                // A mapping is denied when it is touched; see the test of its own.
                let exempt = matches!(op, Op::Lookup2 | Op::Mmap);
                assert!(exempt || events.iter().any(|event| event.starts_with(&line)), "{line}: {events:#?}");
            }
            let stray = events.iter().find(|event| event.starts_with("allow"));
            assert_eq!(stray, None);
        },
        ..PLAIN
    }
}

fn truncate(path: &Path) -> io::Result<()> {
    nix::unistd::truncate(path, 0).map_err(io::Error::from)
}

fn hidden_names_are_not_there() -> Case {
    Case {
        rules: || {
            Rules::of(vec![deny(Op::Lookup, "/secret"), deny(Op::Lookup, "/d/h"), deny(Op::Lookup, "/new")])
        },
        before: |dir| {
            fs::create_dir_all(dir.join("secret/below")).unwrap();
            fs::create_dir(dir.join("d")).unwrap();
            for name in ["d/a", "d/h", "d/z"] {
                fs::write(dir.join(name), b"").unwrap();
            }
        },
        inside: |dir| {
            let names = |dir: &Path| -> Vec<_> {
                let mut names: Vec<_> = fs::read_dir(dir)
                    .unwrap()
                    .map(|name| name.unwrap().file_name().into_string().unwrap())
                    .collect();
                names.sort();
                names
            };
            assert_eq!(names(dir), ["d"]);
            assert_eq!(names(&dir.join("d")), ["a", "z"]);
            refused(fs::metadata(dir.join("secret/below")), libc::ENOENT);
            refused(fs::metadata(dir.join("secret/nothing")), libc::ENOENT);
            refused(fs::write(dir.join("new"), b""), libc::ENOENT);
            refused(fs::create_dir(dir.join("secret")), libc::ENOENT);
            refused(fs::rename(dir.join("d/a"), dir.join("new")), libc::ENOENT);
            refused(fs::remove_file(dir.join("d/h")), libc::ENOENT);
        },
        after: |dir, _| assert!(dir.join("d/h").exists() && dir.join("d/a").exists()),
        ..PLAIN
    }
}

fn tuples_are_tested_as_they_were_passed() -> Case {
    fn number(value: &ArgValue) -> u64 {
        match value {
            ArgValue::Number(number) => *number,
            other => panic!("{other:?} is not a number"),
        }
    }
    Case {
        rules: || {
            Rules::of(vec![
                deny(Op::Read, "/f").when(|args| number(&args[0]) == 10 && number(&args[1]) == 5),
                deny(Op::Write, "/f").when(|args| number(&args[1]) >= 100),
                deny(Op::Setattr, "/f").when(|args| args[0] == ArgValue::Number(0o100_777)),
                deny(Op::Open, "/o").when(|args| number(&args[0]) & 0o2000 != 0),
                deny(Op::Mkdir, "/d").when(|args| number(&args[0]) == 0o700),
                deny(Op::Create, "/c").when(|args| number(&args[0]) == 0o100_600),
                deny(Op::Rename, "/r")
                    .when(|args| matches!(&args[0], ArgValue::Bytes(to) if to.ends_with(b"/no"))),
                deny(Op::Fsync, "/f").when(|args| number(&args[0]) == 1),
            ])
        },
        before: |dir| {
            for name in ["f", "o", "r"] {
                fs::write(dir.join(name), [7; 64]).unwrap();
            }
        },
        inside: |dir| {
            let file = OpenOptions::new().read(true).write(true).open(dir.join("f")).unwrap();
            let mut bytes = [0; 10];
            file.read_exact_at(&mut bytes, 0).unwrap();
            file.read_exact_at(&mut bytes[..9], 5).unwrap();
            denied(file.read_at(&mut bytes, 5));
            file.write_all_at(&[8; 50], 50).unwrap();
            denied(file.write_at(&[8], 100));
            denied(file.sync_data());
            file.sync_all().unwrap();
            fs::set_permissions(dir.join("f"), fs::Permissions::from_mode(0o666)).unwrap();
            denied(fs::set_permissions(dir.join("f"), fs::Permissions::from_mode(0o777)));
            OpenOptions::new().write(true).open(dir.join("o")).unwrap();
            denied(OpenOptions::new().append(true).open(dir.join("o")));
            rustix::process::umask(Mode::from_raw_mode(0o077));
            denied(fs::create_dir(dir.join("d")));
            denied(File::create_new(dir.join("c")));
            rustix::process::umask(Mode::empty());
            fs::create_dir(dir.join("d")).unwrap();
            File::create_new(dir.join("c")).unwrap();
            denied(fs::rename(dir.join("r"), dir.join("no")));
            fs::rename(dir.join("r"), dir.join("yes")).unwrap();
        },
        ..PLAIN
    }
}

fn mappings_are_denied() -> Case {
    Case {
        rules: || Rules::of(vec![deny(Op::Mmap, "/map"), deny(Op::Exec, "/run"), deny(Op::Mmap, "/prog")]),
        before: |dir| {
            fs::write(dir.join("map"), [1; 8192]).unwrap();
            fs::copy("/bin/true", dir.join("run")).unwrap();
            fs::copy("/bin/true", dir.join("prog")).unwrap();
            fs::copy("/bin/true", dir.join("free")).unwrap();
        },
        inside: |dir| {
            assert_eq!(fs::read(dir.join("map")).unwrap(), [1; 8192]);
            let loader = fs::read_dir("/lib64").unwrap().map(|name| name.unwrap().path());
            let loader = loader.filter(|path| path.to_string_lossy().contains("ld-linux")).last().unwrap();
            // The loader reads the head of the file and maps the rest.
            let through_loader =
                |name: &str| Command::new(&loader).arg(dir.join(name)).output().unwrap().status;
            assert!(through_loader("free").success());
            assert!(!through_loader("run").success());
            assert!(!through_loader("map").success());
            denied(Command::new(dir.join("run")).status());
            assert!(
                Command::new(dir.join("prog")).status().unwrap().success(),
                "the kernel's own mapping is exec"
            );
            assert!(!through_loader("prog").success());
        },
        after: |_, events| {
            let events = told(events);
            for line in ["deny exec /run", "deny mmap /prog"] {
                assert!(events.iter().any(|event| event == line), "{line}: {events:#?}");
            }
        },
        ..PLAIN
    }
}

fn shared_mappings_are_refused_to_one_of_many() -> Case {
    fn map(path: &Path) -> io::Result<()> {
        memmap2::MmapOptions::new().map_raw_read_only(&File::open(path)?).map(drop)
    }
    Case {
        rules: || Rules::of(vec![deny(Op::Mmap, "/map").class(0)]).telling(&["other"]),
        before: |dir| {
            fs::write(dir.join("map"), [1; 4096]).unwrap();
            fs::write(dir.join("free"), [1; 4096]).unwrap();
        },
        inside: |dir| {
            assert_eq!(fs::read(dir.join("map")).unwrap(), [1; 4096]);
            refused(map(&dir.join("map")), libc::ENODEV);
            map(&dir.join("free")).unwrap();
        },
        ..PLAIN
    }
}

fn moves_are_judged_on_both_ends() -> Case {
    Case {
        rules: || {
            Rules::of(vec![
                deny(Op::Create, "/no/**"),
                deny(Op::Mkdir, "/no/**"),
                deny(Op::Unlink, "/kept"),
                deny(Op::Rename, "/stays"),
            ])
        },
        before: |dir| {
            fs::create_dir(dir.join("no")).unwrap();
            fs::create_dir(dir.join("d")).unwrap();
            for name in ["f", "kept", "stays"] {
                fs::write(dir.join(name), name).unwrap();
            }
        },
        inside: |dir| {
            let at = |name: &str| dir.join(name);
            denied(fs::rename(at("f"), at("no/f")));
            denied(fs::rename(at("d"), at("no/d")));
            denied(fs::hard_link(at("f"), at("no/f")));
            denied(fs::rename(at("f"), at("kept")));
            denied(nix(rustix::fs::renameat_with(CWD, at("f"), CWD, at("stays"), RenameFlags::EXCHANGE)));
            denied(nix(rustix::fs::renameat_with(CWD, at("stays"), CWD, at("f"), RenameFlags::EXCHANGE)));
            let file = OpenOptions::new().write(true).open(at("f")).unwrap();
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, 64).unwrap();
        },
        after: |dir, _| assert_eq!(fs::read(dir.join("stays")).unwrap(), b"stays"),
        ..PLAIN
    }
}

fn attributes_do_not_leak_unasked() -> Case {
    Case {
        rules: || Rules::of(vec![deny(Op::Getattr, "/f"), deny(Op::Read, "/f"), deny(Op::Exec, "/f")]),
        before: |dir| {
            fs::write(dir.join("f"), [0; 1234]).unwrap();
            fs::set_permissions(dir.join("f"), fs::Permissions::from_mode(0o640)).unwrap();
        },
        inside: |dir| {
            let flags = AtFlags::STATX_DONT_SYNC;
            let mask = rustix::fs::StatxFlags::BASIC_STATS;
            let shown = rustix::fs::statx(CWD, dir.join("f"), flags, mask).unwrap();
            assert_eq!(shown.stx_size, 0);
            assert_eq!(shown.stx_mtime.tv_sec, 0);
            assert_eq!(shown.stx_mode & 0o777, 0o777);
            denied(nix(rustix::fs::statx(CWD, dir.join("f"), AtFlags::empty(), mask)));
        },
        ..PLAIN
    }
}

fn a_path_is_judged_as_it_is_now() -> Case {
    Case {
        rules: || Rules::of(vec![deny(Op::Write, "/frozen/**"), deny(Op::Read, "/dark/**")]),
        before: |dir| {
            fs::create_dir(dir.join("open")).unwrap();
            fs::write(dir.join("open/f"), b"f").unwrap();
        },
        inside: |dir| {
            let file = OpenOptions::new().read(true).write(true).open(dir.join("open/f")).unwrap();
            file.write_all_at(b"1", 0).unwrap();
            fs::rename(dir.join("open"), dir.join("frozen")).unwrap();
            denied(file.write_at(b"2", 0));
            let mut byte = [0];
            file.read_exact_at(&mut byte, 0).unwrap();
            assert_eq!(byte, *b"1");
            fs::rename(dir.join("frozen"), dir.join("dark")).unwrap();
            denied(File::open(dir.join("dark/f")));
            file.write_all_at(b"3", 0).unwrap();
        },
        after: |dir, _| assert_eq!(fs::read(dir.join("dark/f")).unwrap(), b"3"),
        ..PLAIN
    }
}

fn reading_does_not_need_getattr() -> Case {
    Case {
        rules: || Rules::of(vec![deny(Op::Getattr, "/f")]),
        before: |dir| fs::write(dir.join("f"), [5; 100]).unwrap(),
        inside: |dir| {
            let file = File::open(dir.join("f")).unwrap();
            let mut bytes = [0; 200];
            assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 100);
            assert_eq!(file.read_at(&mut bytes, 100).unwrap(), 0);
            denied(file.metadata());
        },
        ..PLAIN
    }
}
