//! The fuse plane on a real mount, in user and mount namespaces of its own.
//!
//! Needs `/dev/fuse` and the right to make user namespaces that map ids; a machine without them fails these tests.
//! Has no standard harness: namespaces can only be entered by a process without threads.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mounted;
mod policy;

mod denials;
mod identity;
mod passing;
mod stress;

use mounted::Test;

fn main() {
    let tests: Vec<Test> = [passing::TESTS, denials::TESTS, identity::TESTS, stress::TESTS].concat();
    mounted::main(&tests);
}
