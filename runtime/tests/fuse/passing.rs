//! What is allowed does what it does without the mount.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FallocateFlags, Mode, RenameFlags, XattrFlags};

use crate::mounted::{Case, PLAIN, Test};

/// The tests of this file.
pub(crate) const TESTS: &[Test] = &[
    ("files_are_written_read_and_truncated", files_are_written_read_and_truncated),
    ("names_are_made_moved_and_removed", names_are_made_moved_and_removed),
    ("hard_links_are_one_file_with_one_inode_number", hard_links_are_one_file_with_one_inode_number),
    ("attributes_are_set_and_told", attributes_are_set_and_told),
    ("modes_are_masked_by_the_caller", modes_are_masked_by_the_caller),
    ("ten_thousand_names_are_listed", ten_thousand_names_are_listed),
    ("a_big_file_is_copied_byte_by_byte", a_big_file_is_copied_byte_by_byte),
    ("an_open_file_outlives_its_name", an_open_file_outlives_its_name),
    ("a_file_without_a_name_can_be_given_one", a_file_without_a_name_can_be_given_one),
    ("open_files_follow_a_renamed_directory", open_files_follow_a_renamed_directory),
    ("holes_are_found_and_space_is_allocated", holes_are_found_and_space_is_allocated),
    ("names_are_bytes", names_are_bytes),
    ("deep_directories_are_reached", deep_directories_are_reached),
    ("programs_run_and_files_are_mapped", programs_run_and_files_are_mapped),
];

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

fn files_are_written_read_and_truncated() -> Case {
    Case {
        before: |dir| write(&dir.join("old"), b"as it was"),
        inside: |dir| {
            assert_eq!(fs::read(dir.join("old")).unwrap(), b"as it was");
            write(&dir.join("new"), b"hello");
            let mut file = OpenOptions::new().read(true).write(true).open(dir.join("new")).unwrap();
            file.seek(SeekFrom::End(0)).unwrap();
            file.write_all(b", world").unwrap();
            file.set_len(7).unwrap();
            assert_eq!(file.metadata().unwrap().len(), 7);
            OpenOptions::new().append(true).open(dir.join("new")).unwrap().write_all(b"all").unwrap();
            let mut text = String::new();
            file.rewind().unwrap();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "hello, all");
            OpenOptions::new().write(true).truncate(true).open(dir.join("old")).unwrap();
            assert!(OpenOptions::new().write(true).create_new(true).open(dir.join("old")).is_err());
        },
        after: |dir, _| {
            assert_eq!(fs::read(dir.join("new")).unwrap(), b"hello, all");
            assert_eq!(fs::read(dir.join("old")).unwrap(), b"");
        },
        ..PLAIN
    }
}

fn names_are_made_moved_and_removed() -> Case {
    Case {
        inside: |dir| {
            fs::create_dir_all(dir.join("a/b")).unwrap();
            write(&dir.join("a/b/f"), b"f");
            fs::rename(dir.join("a/b"), dir.join("c")).unwrap();
            assert_eq!(fs::read(dir.join("c/f")).unwrap(), b"f");
            symlink("c/f", dir.join("s")).unwrap();
            assert_eq!(fs::read_link(dir.join("s")).unwrap(), Path::new("c/f"));
            assert_eq!(fs::read(dir.join("s")).unwrap(), b"f");
            write(&dir.join("x"), b"x");
            write(&dir.join("y"), b"y");
            let flags = RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(CWD, dir.join("x"), CWD, dir.join("y"), flags).unwrap();
            assert_eq!(fs::read(dir.join("x")).unwrap(), b"y");
            let flags = RenameFlags::NOREPLACE;
            assert!(rustix::fs::renameat_with(CWD, dir.join("x"), CWD, dir.join("y"), flags).is_err());
            fs::rename(dir.join("x"), dir.join("y")).unwrap();
            assert_eq!(fs::read(dir.join("y")).unwrap(), b"y");
            assert!(fs::remove_dir(dir.join("c")).is_err());
            fs::remove_file(dir.join("c/f")).unwrap();
            fs::remove_dir(dir.join("c")).unwrap();
            rustix::fs::mkfifoat(CWD, dir.join("p"), Mode::from_raw_mode(0o600)).unwrap();
            assert_eq!(fs::metadata(dir.join("p")).unwrap().mode() & libc::S_IFMT, libc::S_IFIFO);
            let mut names: Vec<_> = fs::read_dir(dir)
                .unwrap()
                .map(|name| name.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            assert_eq!(names, ["a", "p", "s", "y"]);
        },
        ..PLAIN
    }
}

fn hard_links_are_one_file_with_one_inode_number() -> Case {
    Case {
        before: |dir| write(&dir.join("one"), b"1"),
        inside: |dir| {
            fs::hard_link(dir.join("one"), dir.join("two")).unwrap();
            let (one, two) = (fs::metadata(dir.join("one")).unwrap(), fs::metadata(dir.join("two")).unwrap());
            assert_eq!((one.ino(), one.nlink()), (two.ino(), 2));
            write(&dir.join("two"), b"2");
            assert_eq!(fs::read(dir.join("one")).unwrap(), b"2");
            fs::rename(dir.join("one"), dir.join("two")).unwrap();
            assert!(dir.join("one").exists(), "renaming one link onto the other does nothing");
            fs::remove_file(dir.join("one")).unwrap();
            assert_eq!(fs::metadata(dir.join("two")).unwrap().nlink(), 1);
            let listed = fs::read_dir(dir).unwrap().next().unwrap().unwrap();
            assert_eq!(std::os::unix::fs::DirEntryExt::ino(&listed), two.ino());
        },
        after: |dir, _| assert_eq!(fs::read(dir.join("two")).unwrap(), b"2"),
        ..PLAIN
    }
}

fn attributes_are_set_and_told() -> Case {
    Case {
        inside: |dir| {
            let path = dir.join("f");
            write(&path, b"f");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o4751)).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o4751);
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
            file.set_times(fs::FileTimes::new().set_modified(time)).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
            rustix::fs::chownat(CWD, &path, None, None, AtFlags::empty()).unwrap();
            let name = "user.boesfs";
            rustix::fs::setxattr(&path, name, b"value", XattrFlags::CREATE).unwrap();
            assert!(rustix::fs::setxattr(&path, name, b"value", XattrFlags::CREATE).is_err());
            let mut value = [0; 64];
            let length = rustix::fs::getxattr(&path, name, &mut value[..]).unwrap();
            assert_eq!(&value[..length], b"value");
            let length = rustix::fs::listxattr(&path, &mut value[..]).unwrap();
            assert!(value[..length].split(|byte| *byte == 0).any(|listed| listed == name.as_bytes()));
            rustix::fs::removexattr(&path, name).unwrap();
            assert!(rustix::fs::getxattr(&path, name, &mut value[..]).is_err());
            rustix::fs::access(&path, rustix::fs::Access::WRITE_OK).unwrap();
            assert!(rustix::fs::statvfs(dir).unwrap().f_blocks > 0);
            file.sync_all().unwrap();
            file.sync_data().unwrap();
            File::open(dir).unwrap().sync_all().unwrap();
        },
        after: |dir, _| {
            let met = fs::metadata(dir.join("f")).unwrap();
            assert_eq!((met.mode() & 0o7777, met.mtime_nsec()), (0o4751, 123_456_789));
        },
        ..PLAIN
    }
}

fn modes_are_masked_by_the_caller() -> Case {
    Case {
        inside: |dir| {
            rustix::process::umask(Mode::from_raw_mode(0o027));
            let mode = |name: &str| fs::metadata(dir.join(name)).unwrap().mode() & 0o7777;
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o666)
                .open(dir.join("f"))
                .unwrap();
            fs::create_dir(dir.join("d")).unwrap();
            rustix::fs::mkfifoat(CWD, dir.join("p"), Mode::from_raw_mode(0o666)).unwrap();
            assert_eq!((mode("f"), mode("d"), mode("p")), (0o640, 0o750, 0o640));
        },
        ..PLAIN
    }
}

fn ten_thousand_names_are_listed() -> Case {
    Case {
        before: |dir| {
            for number in 0..10_000 {
                write(&dir.join(format!("a name of some length, {number:05}")), b"");
            }
        },
        inside: |dir| {
            let mut names: Vec<_> =
                fs::read_dir(dir).unwrap().map(|name| name.unwrap().file_name()).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 10_000);
            assert_eq!(names[9_999], "a name of some length, 09999");
        },
        ..PLAIN
    }
}

fn a_big_file_is_copied_byte_by_byte() -> Case {
    const SIZE: u64 = 40 << 20;
    fn byte(at: u64) -> u8 {
        (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
    }
    Case {
        before: |dir| {
            let bytes: Vec<u8> = (0..SIZE).map(byte).collect();
            write(&dir.join("big"), &bytes);
        },
        inside: |dir| {
            // copy_file_range
            assert_eq!(fs::copy(dir.join("big"), dir.join("ranged")).unwrap(), SIZE);
            // read and write, in odd pieces
            let (from, to) =
                (File::open(dir.join("big")).unwrap(), File::create(dir.join("written")).unwrap());
            let mut piece = vec![0; 1_234_567];
            let mut at = 0;
            loop {
                let held = from.read_at(&mut piece, at).unwrap();
                if held == 0 {
                    break;
                }
                to.write_all_at(&piece[..held], at).unwrap();
                at += held as u64;
            }
        },
        after: |dir, _| {
            for name in ["ranged", "written"] {
                let bytes = fs::read(dir.join(name)).unwrap();
                assert_eq!(bytes.len() as u64, SIZE);
                assert!(bytes.iter().enumerate().all(|(at, have)| *have == byte(at as u64)), "{name}");
            }
        },
        ..PLAIN
    }
}

fn an_open_file_outlives_its_name() -> Case {
    Case {
        inside: |dir| {
            let path = dir.join("f");
            let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
            file.write_all(b"first").unwrap();
            fs::remove_file(&path).unwrap();
            assert_eq!(file.metadata().unwrap().nlink(), 0);
            file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
            // The name again, for another file.
            write(&path, b"second");
            file.write_all(b" and still here").unwrap();
            file.rewind().unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "first and still here");
            assert_eq!(fs::read(&path).unwrap(), b"second");
            // The same by a rename over it.
            let second = File::open(&path).unwrap();
            write(&dir.join("g"), b"third");
            fs::rename(dir.join("g"), &path).unwrap();
            let mut bytes = [0; 6];
            second.read_exact_at(&mut bytes, 0).unwrap();
            assert_eq!(&bytes, b"second");
            assert_eq!(second.metadata().unwrap().len(), 6);
            assert_eq!(fs::read(&path).unwrap(), b"third");
        },
        ..PLAIN
    }
}

fn a_file_without_a_name_can_be_given_one() -> Case {
    Case {
        inside: |dir| {
            let mut options = OpenOptions::new();
            let mut file =
                options.read(true).write(true).mode(0o640).custom_flags(libc::O_TMPFILE).open(dir).unwrap();
            file.write_all(b"nameless").unwrap();
            assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
            let there = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
            rustix::fs::linkat(CWD, there, CWD, dir.join("named"), AtFlags::SYMLINK_FOLLOW).unwrap();
            assert_eq!(fs::read(dir.join("named")).unwrap(), b"nameless");
        },
        after: |dir, _| assert_eq!(fs::read(dir.join("named")).unwrap(), b"nameless"),
        ..PLAIN
    }
}

fn open_files_follow_a_renamed_directory() -> Case {
    Case {
        before: |dir| {
            fs::create_dir_all(dir.join("a/b")).unwrap();
            write(&dir.join("a/b/f"), b"f");
        },
        inside: |dir| {
            let file = File::open(dir.join("a/b/f")).unwrap();
            let held = File::open(dir.join("a/b")).unwrap();
            std::env::set_current_dir(dir.join("a/b")).unwrap();
            fs::rename(dir.join("a"), dir.join("z")).unwrap();
            let mut byte = [0];
            file.read_exact_at(&mut byte, 0).unwrap();
            assert_eq!(file.metadata().unwrap().len(), 1);
            assert_eq!(fs::read("f").unwrap(), b"f");
            write(Path::new("g"), b"g");
            assert_eq!(std::env::current_dir().unwrap(), dir.join("z/b"));
            assert_eq!(fs::read(dir.join("z/b/g")).unwrap(), b"g");
            let there = rustix::fs::statat(&held, "f", AtFlags::empty()).unwrap();
            assert_eq!(there.st_size, 1);
        },
        after: |dir, _| assert!(dir.join("z/b/g").exists()),
        ..PLAIN
    }
}

fn holes_are_found_and_space_is_allocated() -> Case {
    Case {
        inside: |dir| {
            let file = File::create_new(dir.join("f")).unwrap();
            file.write_all_at(b"x", 1 << 20).unwrap();
            rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, 4096).unwrap();
            rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, (1 << 20) + 4096).unwrap();
            assert_eq!(file.metadata().unwrap().len(), (1 << 20) + 4096);
            let hole = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(0)).unwrap();
            assert!(hole <= (1 << 20) + 4096);
        },
        ..PLAIN
    }
}

fn names_are_bytes() -> Case {
    use std::os::unix::ffi::OsStrExt;
    Case {
        inside: |dir| {
            for name in [&b"\xff\xfe"[..], b"new\nline", b"*?[{\\", &[b'n'; 255]] {
                let path = dir.join(std::ffi::OsStr::from_bytes(name));
                write(&path, name);
                assert_eq!(fs::read(&path).unwrap(), name);
            }
            assert!(fs::write(dir.join("n".repeat(256)), b"").is_err());
            assert_eq!(fs::read_dir(dir).unwrap().count(), 4);
        },
        ..PLAIN
    }
}

fn deep_directories_are_reached() -> Case {
    Case {
        inside: |dir| {
            std::env::set_current_dir(dir).unwrap();
            let name = "d".repeat(200);
            for _ in 0..50 {
                fs::create_dir(&name).unwrap();
                std::env::set_current_dir(&name).unwrap();
            }
            write(Path::new("f"), b"deep");
            assert_eq!(fs::read("f").unwrap(), b"deep");
        },
        ..PLAIN
    }
}

fn programs_run_and_files_are_mapped() -> Case {
    Case {
        before: |dir| {
            fs::copy("/bin/true", dir.join("true")).unwrap();
            write(&dir.join("script"), b"#!/bin/sh\nexit 3\n");
            fs::set_permissions(dir.join("script"), fs::Permissions::from_mode(0o755)).unwrap();
            write(&dir.join("plain"), b"#!/bin/sh\n");
        },
        inside: |dir| {
            use std::process::Command;
            assert!(Command::new(dir.join("true")).status().unwrap().success());
            assert_eq!(Command::new(dir.join("script")).status().unwrap().code(), Some(3));
            let refused = Command::new(dir.join("plain")).status().unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
        },
        ..PLAIN
    }
}
