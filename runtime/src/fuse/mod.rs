//! The fuse plane: a pass-through file system over the protected directory, in which every request is judged.
//!
//! From a request on `/dev/fuse` to an answer, by way of one effective decision on the (parent, name) that the
//! request is about. Knows no policy text; only [`engine`] knows an image, the rest asks a [`Decide`].
//!
//! It stands on fuse-backend-rs and not on fuser because there a node's id and the inode number that stat shows are two
//! things (in fuser the one is the other, so two hard links could not be two nodes and one file), because a request's flags
//! come through as the kernel sent them, and because the loop over the device is ours, so that requests the library does
//! not know (O_TMPFILE, copy_file_range) are answered beside it. Its own pass-through tree is not used: it
//! keys nodes by inode.
//!
//! | file | what |
//! |---|---|
//! | [`decision`] | the seam to the policy |
//! | [`gate`] | who asks, what came of it, who is told |
//! | [`caller`] | acting with a caller's ids; finding its subject |
//! | [`node`] | what the kernel's node ids stand for |
//! | [`lower`] | the tree beneath the mount |
//! | [`tree`] | both put together |
//! | [`names`], [`file`], [`meta`], [`listing`] | the operations |
//! | [`protocol`], [`device`], [`session`] | how requests come and answers go |
//! | [`engine`], [`probe`] | the plane as the sandbox uses it, deciding by an image; whether it can be had |
//!
//! # What is enforced how
//!
//! Rights to files are those of the caller's ids, checked by the file system beneath: the serving thread takes on the
//! caller's uid and gid and has no capability over files. The mount option `default_permissions` is not used: with attributes
//! that are valid for no time, the kernel would check by a `GETATTR` that is no different from stat's. Supplementary
//! groups are not carried: a file that only such a group lets a caller reach is out of reach. The mode of what is
//! made arrives with the umask applied. Process file systems beneath the mount show the server's view and are refused.
//!
//! The kernel does some things without a request, and some of its requests stand for several calls:
//!
//! * Opening a fifo and connecting to a socket send nothing but `LOOKUP`: where `open`, `read` or `write` (for a socket: `write`) of one
//!   is denied, its name cannot be looked up, for any purpose.
//! * `READLINK` is the same for readlink(2) and for following a link: both are judged as `getattr`. So are access(2) and chdir(2),
//!   which both send `ACCESS`, and lseek(2) to the end of a file, which sends `GETATTR`.
//! * The kernel keeps `O_CREAT`, `O_EXCL`, `O_NOCTTY` and `O_CLOEXEC` of an open: it must be allowed with and without each.
//! * Mappings send nothing, so where reading, mapping or running a file is denied to some subject it is opened past the page
//!   cache ([`file`]). What a subject may read but not map, or not run, it cannot map at all: a shared mapping is refused
//!   with ENODEV (with several subjects: by SIGBUS at first touch), a private one by SIGBUS; splice and
//!   sendfile from it fail. One event is told for each open file. An open for execution is judged as `exec` alone.
//! * inotify, fanotify and dnotify send nothing but `LOOKUP`.
//! * A call that reads or writes a megabyte or more arrives in pieces, the length of the whole unknown; so does a vectored one with
//!   hundreds of parts.
//! * Locks are the kernel's, between processes of the sandbox. `POLL`, `BMAP` and ioctls other than inode flags are
//!   not passed on. ACLs cannot be changed.

mod caller;
mod decision;
mod device;
mod engine;
mod file;
mod gate;
mod listing;
mod lower;
mod meta;
mod names;
mod node;
mod probe;
mod protocol;
mod session;
mod tree;

pub use caller::Subjects;
pub use decision::{Decide, Destination, Object, Ruling};
pub use engine::{FuseEngine, engine};
pub use gate::Labels;
pub use probe::available;
pub use session::{Served, Session, SessionError, mount};
