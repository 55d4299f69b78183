//! What a request gets.

use std::fmt;

/// What a rule says when it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// The rule lets the request through.
    Allow,
    /// The rule refuses it.
    Deny,
}

/// What a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// The request may go on.
    Allow,
    /// The request is refused.
    Deny,
}

impl From<Effect> for Verdict {
    fn from(effect: Effect) -> Self {
        match effect {
            Effect::Allow => Self::Allow,
            Effect::Deny => Self::Deny,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

/// The error a denied call returns. The discriminant is its two-bit code in images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Errno {
    /// `EACCES`, the default of every operation but `lookup`.
    #[default]
    Acces = 0,
    /// `EPERM`.
    Perm = 1,
    /// `ENOENT`, the default of `lookup` and of every operation on a hidden object.
    Noent = 2,
    /// `EROFS`.
    Rofs = 3,
}

impl Errno {
    /// The name in policies and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Acces => "EACCES",
            Self::Perm => "EPERM",
            Self::Noent => "ENOENT",
            Self::Rofs => "EROFS",
        }
    }

    /// The value a system call returns, negated.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Acces => 13,
            Self::Perm => 1,
            Self::Noent => 2,
            Self::Rofs => 30,
        }
    }

    /// The errno with two-bit code `code & 3`.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        match code & 3 {
            0 => Self::Acces,
            1 => Self::Perm,
            2 => Self::Noent,
            _ => Self::Rofs,
        }
    }
}

/// How loud a denial is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// An event like any other.
    #[default]
    Event = 0,
    /// Worth a look.
    Warning = 1,
    /// Somebody should be called.
    Alert = 2,
}

impl Level {
    /// The name in policies and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Warning => "warning",
            Self::Alert => "alert",
        }
    }
}

/// When a decision is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Audit {
    /// When it denies.
    #[default]
    Deny = 0,
    /// Whenever the rule decides.
    Always = 1,
    /// Not at all.
    Never = 2,
}

/// Why a call was denied when no rule decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// A rule decided; the event names it.
    Rule = 0,
    /// No rule decided; the policy's effect denies by default.
    Default = 1,
    /// A component on the way, or the object, may not be looked up.
    Hidden = 2,
    /// Where the object is could not be established.
    Unresolved = 3,
    /// The path is deeper or longer than the plane can walk.
    TooDeep = 4,
    /// An argument could not be known, and some value of it is denied.
    UnknownArgs = 5,
    /// A move would give the object a right it did not have.
    GainsRight = 6,
    /// A link or rename across the edge of the protected directory.
    CrossesEdge = 7,
    /// Execution of a file without a name.
    Anonymous = 8,
    /// A scratch area, map or table was not available.
    Exhausted = 9,
    /// The image or the plane's own state is inconsistent.
    Corrupt = 10,
    /// The sandbox itself forbids it (mounts, other sandboxes' processes).
    Confined = 11,
    /// The file answers to other spellings of its name too, as where case does not count.
    FoldsCase = 12,
}

impl Reason {
    /// How many reasons there are; ids are dense below it.
    pub const COUNT: u8 = 13;

    /// The name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Default => "default",
            Self::Hidden => "hidden",
            Self::Unresolved => "unresolved",
            Self::TooDeep => "too-deep",
            Self::UnknownArgs => "unknown-args",
            Self::GainsRight => "gains-right",
            Self::CrossesEdge => "crosses-edge",
            Self::Anonymous => "anonymous",
            Self::Exhausted => "exhausted",
            Self::Corrupt => "corrupt",
            Self::Confined => "confined",
            Self::FoldsCase => "folds-case",
        }
    }

    /// The reason with wire id `id`, if there is one.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Self> {
        Some(match id {
            0 => Self::Rule,
            1 => Self::Default,
            2 => Self::Hidden,
            3 => Self::Unresolved,
            4 => Self::TooDeep,
            5 => Self::UnknownArgs,
            6 => Self::GainsRight,
            7 => Self::CrossesEdge,
            8 => Self::Anonymous,
            9 => Self::Exhausted,
            10 => Self::Corrupt,
            11 => Self::Confined,
            12 => Self::FoldsCase,
            _ => return None,
        })
    }
}
