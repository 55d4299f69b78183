//! The `boesfs` command.
fn main() {}
