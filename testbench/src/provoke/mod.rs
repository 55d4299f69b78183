//! Provoking decisions by system calls: a question becomes objects in a directory and a call by a program in a
//! sandbox; what the call got, and the event that says why, become an answer.
//!
//! The program is this one ([`prober`]): it is put into the sandbox under the subject's name and does what it reads from
//! its standard input, so nothing else has to be there.

pub(crate) mod call;
pub(crate) mod expectation;
pub mod prober;
pub(crate) mod scenario;
pub(crate) mod session;
pub(crate) mod tree;

use boesfs_abi::request::Request;

pub use call::LEAVE;

use crate::engine::RealPlane;

/// Whether some system call provokes `request` on `plane`.
#[must_use]
pub fn provokable(request: &Request, plane: RealPlane) -> bool {
    scenario::scenario(request, plane).is_ok()
}
