//! Repository tasks behind `cargo xtask`: each module is one task or what tasks share.
//!
//! This crate builds, runs and checks the others; it depends on none that runs anything itself.

pub mod bench;
pub mod binaries;
pub mod codegen;
pub mod demo;
pub mod docs;
pub mod fuzz;
pub mod process;
pub mod setup;
pub mod suite;
pub mod tidy;
pub mod verified;
pub mod vm;
pub mod workspace;
