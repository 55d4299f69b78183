//! The testbench: what was written, what was compiled and what the kernel does are the same.
//!
//! A [`case`] is a policy, requests and the decisions they must get; the [`suite`] puts every case to every
//! [`engine`]. Conformance files, random policies and the differential against Casbin go through the same engines.

pub mod case;
pub mod churn;
pub mod conformance;
pub mod cost;
pub mod endure;
pub mod engine;
pub mod escape;
pub mod policy;
mod provoke;
pub mod question;
pub mod report;
pub mod suite;
pub mod synthetic;

pub use provoke::{LEAVE, prober, provokable};
