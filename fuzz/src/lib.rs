//! What the fuzz targets do with their bytes. Tests call the same functions on the inputs that once failed.
//!
//! A body returns whatever the bytes are, and panics only if the project is wrong about them. What needs no compiler does
//! without it, so that a long run of it is of what is run.

mod draw;
#[cfg(feature = "compiler")]
mod fmt;
mod image;
#[cfg(feature = "compiler")]
mod near;
#[cfg(feature = "compiler")]
mod texts;

#[cfg(feature = "compiler")]
pub use fmt::fmt_round_trip;
pub use image::{Fate, image_changed};
#[cfg(feature = "compiler")]
pub use near::{paths_near, requests_at, requests_near};
#[cfg(feature = "compiler")]
pub use texts::{compile_vs_reference, image_decode, parse, suite};
