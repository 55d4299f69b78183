//! What compiler, loader and kernel must agree on.
//!
//! The operation table ([`op`]), what is asked and answered ([`request`], [`verdict`]), and the bytes that
//! carry a compiled policy ([`layout`], [`image`]). This crate knows no policy text, no kernel and no plane;
//! the C header `ebpf/bpf/boesfs_abi.h` and `docs/operations.md` are generated from it by `cargo xtask codegen`.

pub mod decide;
pub mod event;
pub mod hooks;
pub mod image;
pub mod judge;
#[macro_use]
pub mod layout;
pub mod map;
pub mod memory;
pub mod op;
pub mod plane;
pub mod request;
pub mod spelling;
pub mod subjects;
pub mod verdict;
