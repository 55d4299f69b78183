//! The operations that are measured, one loop each.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, RawDir};
use rustix::io::Errno;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// open and close of one file.
    Open,
    /// open and close of each of many files of one directory in turn.
    OpenEach,
    /// open and close, each after a directory elsewhere was renamed: what is remembered about places may not hold.
    OpenCold,
    /// open and close, each after so many such renames that it is not known any more which directories they were of.
    OpenColder,
    /// open and close, each after the file's directory was renamed: nothing is known of it.
    OpenMoved,
    /// open that a policy denies.
    OpenDenied,
    /// stat by name.
    Stat,
    /// pread of 4 KiB.
    Read,
    /// pwrite of 4 KiB.
    Write,
    /// open that creates, close and unlink.
    Create,
    /// rename to another name in the directory.
    Rename,
    /// fork, exec of a small static program, wait.
    Exec,
    /// open, getdents to the end, close of a directory of 32 files.
    List,
}

impl Operation {
    /// All, in the order of reports.
    pub const ALL: [Self; 13] = [
        Self::Open,
        Self::OpenEach,
        Self::OpenCold,
        Self::OpenColder,
        Self::OpenMoved,
        Self::OpenDenied,
        Self::Stat,
        Self::Read,
        Self::Write,
        Self::Create,
        Self::Rename,
        Self::Exec,
        Self::List,
    ];

    /// Its name on the command line and in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::OpenEach => "open-each",
            Self::OpenCold => "open-cold",
            Self::OpenColder => "open-colder",
            Self::OpenMoved => "open-moved",
            Self::OpenDenied => "open-denied",
            Self::Stat => "stat",
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Rename => "rename",
            Self::Exec => "exec",
            Self::List => "list",
        }
    }

    /// The one called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }
}

/// How many files [`Operation::OpenEach`] opens in turn, and how many lie in the directory that is listed.
const MANY: usize = 512;
const LISTED: usize = 32;
const BLOCK: usize = 4096;
/// A program that ends at once.
const PROGRAM: &str = "/bin/true";
/// More renames than the programs remember, and an odd number.
const FORGOTTEN: u32 = 129;
/// The directory that [`Operation::OpenCold`] renames, and its other name.
const MOVED: [&str; 2] = ["/moved-to-and-fro", "/moved-to-and-fro.away"];
/// The directory whose file [`Operation::OpenMoved`] opens, and its other name.
const AROUND: [&str; 2] = ["around-a", "around-b"];
/// What measured policies deny, in every directory.
pub const SECRET: &str = "secret.key";

/// Runs so many rounds and gives the nanoseconds they took.
pub(super) type Batch = Box<dyn FnMut(u32) -> io::Result<f64>>;

/// Makes whatever is opened, read and listed at `depth`. What a sandbox measures is made outside it.
///
/// # Errors
/// If a file cannot be made.
pub fn prepare(depth: usize) -> io::Result<()> {
    let folder = super::folder(depth);
    let listed = folder.join("listed");
    let around = around(depth, AROUND[0]);
    for directory in [&folder, &listed, &around, Path::new(MOVED[0])] {
        std::fs::create_dir_all(directory)?;
    }
    let each = (0..MANY).map(|number| folder.join(each(number)));
    let inside = (0..LISTED).map(|number| listed.join(each_listed(number)));
    let files = [
        folder.join("file.dat"),
        around.join("file.dat"),
        folder.join("written.dat"),
        folder.join("named-a.dat"),
        folder.join(SECRET),
    ];
    for file in each.chain(inside).chain(files) {
        std::fs::write(&file, [b'x'; BLOCK])?;
    }
    Ok(())
}

/// The directory called `name` at `depth`; at depth 1, where there is none but the root, in that.
fn around(depth: usize, name: &str) -> PathBuf {
    let folder = super::folder(depth);
    folder.parent().unwrap_or(&folder).join(name)
}

fn each(number: usize) -> String {
    format!("each-{number:03}.dat")
}

fn each_listed(number: usize) -> String {
    format!("entry-{number:03}.dat")
}

impl Operation {
    /// The operation on what [`prepare`] has made at `depth`.
    pub(super) fn at(self, depth: usize) -> io::Result<Batch> {
        let folder = super::folder(depth);
        let text = |path: PathBuf| {
            CString::new(path.into_os_string().into_vec())
                .expect("INVARIANT: names of this file hold no null byte")
        };
        let path = |name: &str| text(folder.join(name));
        Ok(match self {
            Self::Open => of_path(path("file.dat"), |file| open(file, OFlags::RDONLY).map(drop)),
            Self::OpenDenied => of_path(path(SECRET), |file| match open(file, OFlags::RDONLY) {
                Err(Errno::ACCESS) | Ok(_) => Ok(()),
                Err(other) => Err(other),
            }),
            Self::OpenEach => {
                let files: Vec<CString> = (0..MANY).map(|number| path(&each(number))).collect();
                let mut next = 0;
                rounds(move || {
                    next = (next + 1) % MANY;
                    open(&files[next], OFlags::RDONLY).map(drop)
                })
            }
            Self::OpenCold | Self::OpenColder => {
                let file = path("file.dat");
                let moves = if self == Self::OpenCold { 1 } else { FORGOTTEN };
                after_moves(moves, MOVED.map(|name| text(name.into())), [file.clone(), file])
            }
            Self::OpenMoved => after_moves(
                1,
                AROUND.map(|name| text(around(depth, name))),
                AROUND.map(|name| text(around(depth, name).join("file.dat"))),
            ),
            Self::Stat => of_path(path("file.dat"), |file| fs::statat(CWD, file, AtFlags::empty()).map(drop)),
            Self::Read => {
                let file = open(&path("file.dat"), OFlags::RDONLY)?;
                let mut block = [0; BLOCK];
                rounds(move || rustix::io::pread(&file, &mut block, 0).map(drop))
            }
            Self::Write => {
                let file = open(&path("written.dat"), OFlags::WRONLY)?;
                rounds(move || rustix::io::pwrite(&file, &[b'y'; BLOCK], 0).map(drop))
            }
            Self::Create => of_path(path("new.dat"), |file| {
                open(file, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
                fs::unlinkat(CWD, file, AtFlags::empty())
            }),
            Self::Rename => {
                let mut names = [path("named-a.dat"), path("named-b.dat")];
                // An odd number of rounds leaves it at the other.
                if fs::statat(CWD, &names[0], AtFlags::empty()).is_err() {
                    names.reverse();
                }
                rounds(move || {
                    fs::renameat(CWD, &names[0], CWD, &names[1])?;
                    names.reverse();
                    Ok(())
                })
            }
            Self::Exec => rounds(|| match Command::new(PROGRAM).stdin(Stdio::null()).status() {
                Ok(status) if status.success() => Ok(()),
                _ => Err(Errno::NOEXEC),
            }),
            Self::List => of_path(path("listed"), |directory| {
                let directory = open(directory, OFlags::RDONLY | OFlags::DIRECTORY)?;
                let mut room = [MaybeUninit::uninit(); BLOCK];
                let mut entries = RawDir::new(&directory, &mut room);
                while let Some(entry) = entries.next() {
                    entry?;
                }
                Ok(())
            }),
        })
    }
}

fn open(path: &CStr, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    fs::openat(CWD, path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o600))
}

fn of_path(path: CString, round: impl Fn(&CStr) -> rustix::io::Result<()> + 'static) -> Batch {
    rounds(move || round(&path))
}

fn rounds(mut round: impl FnMut() -> rustix::io::Result<()> + 'static) -> Batch {
    Box::new(move |count| {
        let start = Instant::now();
        for _ in 0..count {
            round()?;
        }
        Ok(start.elapsed().as_nanos() as f64)
    })
}

/// Times open and close of a file after a directory was renamed from one of `names` to the other `moves` times, an odd number,
/// where the file is called as that one of `files`. The renames are not timed.
fn after_moves(moves: u32, mut names: [CString; 2], mut files: [CString; 2]) -> Batch {
    Box::new(move |count| {
        let mut spent = 0.0;
        let mut there = false;
        for _ in 0..count {
            for _ in 0..moves {
                fs::renameat(CWD, &names[0], CWD, &names[1])?;
                names.reverse();
                files.reverse();
                there = !there;
            }
            let start = Instant::now();
            open(&files[0], OFlags::RDONLY)?;
            spent += start.elapsed().as_nanos() as f64;
        }
        // Leaves the directory where the next batch, or the next process, looks for it.
        if there {
            fs::renameat(CWD, &names[0], CWD, &names[1])?;
            names.reverse();
            files.reverse();
        }
        Ok(spent)
    })
}
