//! Commented policies to start from, each with its tests: those of `policies/examples`.

/// One policy to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Starter {
    /// What it is for, as `boesfsc init` calls it.
    pub name: &'static str,
    /// The policy.
    pub policy: &'static str,
    /// Its tests, for the file `NAME.test.ron` beside it.
    pub tests: &'static str,
}

macro_rules! starters {
    ($($name:literal),*) => {
        [$(Starter {
            name: $name,
            policy: include_str!(concat!("../../policies/examples/", $name, ".conf")),
            tests: include_str!(concat!("../../policies/examples/", $name, ".test.ron")),
        }),*]
    };
}

/// All of them.
pub const STARTERS: [Starter; 4] = starters!["build-step", "coding-agent", "function", "read-only-service"];

/// The one called `name`.
#[must_use]
pub fn starter(name: &str) -> Option<Starter> {
    STARTERS.into_iter().find(|starter| starter.name == name)
}
