//! The runtime of boesfs: from a compiled policy to its enforcement on a sandbox, and to events.
//!
//! It never reads policy text. [`plane`] is the seam between the sandbox and what enforces a policy on it.

pub mod cli;
pub mod engines;
pub mod events;
pub mod fuse;
pub mod lsm;
pub mod manage;
pub mod plane;
pub mod policy;
pub mod probe;
pub mod run;
pub mod sandbox;
pub mod sys;
pub mod tenants;
pub mod trust;
