//! The compiler: policy text in, image out. No unsafe, no kernel, no root.
//!
//! [`Policy`] is the front door: parse, check, compile, evaluate; beside it stand [`diff`] and [`format()`].
//!
//! ```
//! use boesfs_compiler::{Op, Policy, Request, Verdict};
//!
//! let policy = Policy::parse(
//!     "[request_definition]
//!      r = sub, obj, act
//!      [policy_definition]
//!      p = sub, obj, act, eft
//!      [policy_effect]
//!      e = some(where (p.eft == allow))
//!      [matchers]
//!      m = r.sub == p.sub && within(r.obj, p.obj) && r.act == p.act
//!      [policy]
//!      p, /usr/bin/make, /src, @base @read, allow",
//! )?;
//! let image = policy.compile()?;
//! let read = Request::new(b"/usr/bin/make", b"/src/main.c", Op::Read)?;
//! assert_eq!(image.evaluate(&read).verdict, Verdict::Allow);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The modules are the stages and what stands on them. One direction: [`model`] binds names and types, [`rules`]
//! reduces rules to normal form, [`automaton`] makes one byte automaton of all paths, [`mod@image`] packs it.
//! [`mod@reference`] judges the model as it stands and shares no matching code with the rest.
//!
//! What is named at the top of the crate stays as it is within a minor version. The modules are public for the other
//! crates of the project and for tools that print or compare stages; they may change with any version.

pub mod ask;
pub mod automaton;
pub mod compare;
pub mod config;
pub mod diagnostic;
pub mod editor;
pub mod explain;
pub mod files;
pub mod fix;
pub mod graph;
pub mod image;
pub mod jobs;
pub mod levels;
pub mod lint;
pub mod migrate;
pub mod model;
pub mod pipeline;
pub mod policy;
pub mod reference;
pub mod rules;
pub mod shown;
pub mod sources;
pub mod starters;
pub mod suite;
pub mod validate;

pub use boesfs_abi::op::Op;
pub use boesfs_abi::request::{Kind, Request, RequestError};
pub use boesfs_abi::verdict::Verdict;
pub use compare::CompareError;
pub use diagnostic::{Diagnostic, Severity};
pub use policy::{Answer, Difference, Image, OpenError, Options, Policy, Rejected, diff, format};
pub use sources::{LoadError, Sources};
