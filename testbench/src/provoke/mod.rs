//! Provoking decisions by system calls: a question becomes objects in a directory and a call by a program in a
//! sandbox; what the call got, and the event that says why, become an answer.
//!
//! The program is this one ([`prober`]): it is put into the sandbox under the subject's name and does what it reads from
//! its standard input, so nothing else has to be there.

pub mod call;
pub mod expectation;
pub mod prober;
pub mod scenario;
pub mod session;
pub mod tree;
