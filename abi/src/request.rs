//! What is asked: one operation by one subject on one object.

use crate::op::{ArgType, MAX_ARGS, Op};

/// What kind of object a request is about. The discriminant is its bit in a kind mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A regular file.
    File = 0,
    /// A directory.
    Dir = 1,
    /// A symbolic link.
    Symlink = 2,
    /// A fifo.
    Fifo = 3,
    /// A socket.
    Socket = 4,
    /// A block device.
    Block = 5,
    /// A character device.
    Char = 6,
}

impl Kind {
    /// All kinds, in id order.
    pub const ALL: [Self; 7] =
        [Self::File, Self::Dir, Self::Symlink, Self::Fifo, Self::Socket, Self::Block, Self::Char];

    /// The word in policies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Dir => "dir",
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Block => "block",
            Self::Char => "char",
        }
    }

    /// The kind spelt `name`, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One value of a request's tuple.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ArgValue {
    /// Not known at the enforcement point: no rule may be weakened by it.
    Unknown,
    /// The call does not carry it: it matches only `*`.
    Absent,
    /// A number; a signed one as its two's complement.
    Number(u64),
    /// A path or a text.
    Bytes(Vec<u8>),
}

/// One operation by one subject on one object, as LANGUAGE §2 has it.
///
/// INVARIANT(canonical): `obj` is absolute and normal, unless made by [`Request::of_text`]; `args` has exactly one value for each of the
/// operation's arguments, of the argument's type, `Unknown` or `Absent`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    sub: Vec<u8>,
    dom: Option<Vec<u8>>,
    obj: Vec<u8>,
    op: Op,
    args: Vec<ArgValue>,
    /// File system uid of the caller, as seen outside the sandbox; `None` if not known.
    pub uid: Option<u32>,
    /// File system gid of the caller, as seen outside the sandbox; `None` if not known.
    pub gid: Option<u32>,
    /// Kind of the object or of what is to be made; `None` if not known.
    pub kind: Option<Kind>,
}

/// Why a request is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The object's path is not absolute and normal.
    #[error("object `{0}` is not an absolute, normal path")]
    Object(String),
    /// More values than the operation has arguments.
    #[error("operation `{op}` takes {want} arguments, the request has {have}")]
    Arity {
        /// The operation.
        op: Op,
        /// How many it takes.
        want: usize,
        /// How many were given.
        have: usize,
    },
    /// A value that is not of its argument's type.
    #[error("argument `{name}` of `{op}` is not {want}: `{value}`")]
    Value {
        /// The operation.
        op: Op,
        /// The argument.
        name: &'static str,
        /// What it takes.
        want: &'static str,
        /// What was given.
        value: String,
    },
}

/// Whether `path` is absolute and normal: no `.`, `..`, `//`, NUL, and no trailing `/` except the root.
#[must_use]
pub fn is_canonical(path: &[u8]) -> bool {
    if path == b"/" {
        return true;
    }
    let Some(rest) = path.strip_prefix(b"/") else { return false };
    !path.contains(&0)
        && rest.split(|b| *b == b'/').all(|part| !part.is_empty() && part != b"." && part != b"..")
}

impl Request {
    /// A request with an unknown tuple, uid, gid and kind.
    ///
    /// # Errors
    /// [`RequestError::Object`] if `obj` is not canonical.
    pub fn new(sub: &[u8], obj: &[u8], op: Op) -> Result<Self, RequestError> {
        if !is_canonical(obj) {
            return Err(RequestError::Object(String::from_utf8_lossy(obj).into_owned()));
        }
        Ok(Self::of_text(sub, obj, op))
    }

    /// A request about any text, as plain Casbin policies have them. No enforcement point asks it.
    #[must_use]
    pub fn of_text(sub: &[u8], obj: &[u8], op: Op) -> Self {
        Self {
            sub: sub.to_vec(),
            dom: None,
            obj: obj.to_vec(),
            op,
            args: vec![ArgValue::Unknown; op.spec().args.len()],
            uid: None,
            gid: None,
            kind: None,
        }
    }

    /// The request with `values` for its first arguments; those not given stay unknown.
    ///
    /// # Errors
    /// [`RequestError::Arity`] for surplus values, [`RequestError::Value`] for one of the wrong type.
    pub fn with_args(mut self, values: Vec<ArgValue>) -> Result<Self, RequestError> {
        let specs = self.op.spec().args;
        if values.len() > specs.len() {
            return Err(RequestError::Arity { op: self.op, want: specs.len(), have: values.len() });
        }
        for (i, (value, spec)) in values.into_iter().zip(specs).enumerate() {
            let fits = match (&value, spec.ty) {
                (ArgValue::Unknown | ArgValue::Absent, _)
                | (ArgValue::Number(_), ArgType::Unsigned | ArgType::Signed)
                | (ArgValue::Bytes(_), ArgType::Text) => true,
                (ArgValue::Bytes(bytes), ArgType::Path) => is_canonical(bytes),
                (ArgValue::Number(_), ArgType::Path | ArgType::Text)
                | (ArgValue::Bytes(_), ArgType::Unsigned | ArgType::Signed) => false,
            };
            if !fits {
                return Err(RequestError::Value {
                    op: self.op,
                    name: spec.name,
                    want: expected(spec.ty),
                    value: match value {
                        ArgValue::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                        other => format!("{other:?}"),
                    },
                });
            }
            self.args[i] = value;
        }
        Ok(self)
    }

    /// The request with values read from text: `-` absent, `?` unknown, numbers decimal, `0x` or `0o`.
    ///
    /// # Errors
    /// As [`Request::with_args`].
    pub fn with_text_args<T: AsRef<[u8]>>(self, texts: &[T]) -> Result<Self, RequestError> {
        let specs = self.op.spec().args;
        if texts.len() > specs.len() {
            return Err(RequestError::Arity { op: self.op, want: specs.len(), have: texts.len() });
        }
        let mut values = Vec::with_capacity(MAX_ARGS);
        for (text, spec) in texts.iter().zip(specs) {
            values.push(match (text.as_ref(), spec.ty) {
                (b"?", _) => ArgValue::Unknown,
                (b"-", _) => ArgValue::Absent,
                (text, ArgType::Path | ArgType::Text) => ArgValue::Bytes(text.to_vec()),
                (text, ty) => {
                    let number = std::str::from_utf8(text).ok().and_then(|text| parse_number(text, ty));
                    ArgValue::Number(number.ok_or_else(|| RequestError::Value {
                        op: self.op,
                        name: spec.name,
                        want: expected(ty),
                        value: String::from_utf8_lossy(text).into_owned(),
                    })?)
                }
            });
        }
        self.with_args(values)
    }

    /// The same by and on the same about another operation, none of whose arguments is known.
    #[must_use]
    pub fn about(mut self, op: Op) -> Self {
        self.op = op;
        self.args.clear();
        self.args.resize(op.spec().args.len(), ArgValue::Unknown);
        self
    }

    /// The request in the sandbox called `dom`.
    #[must_use]
    pub fn in_domain(mut self, dom: &[u8]) -> Self {
        self.dom = Some(dom.to_vec());
        self
    }

    /// The program.
    #[must_use]
    pub fn sub(&self) -> &[u8] {
        &self.sub
    }

    /// The sandbox's name, if given.
    #[must_use]
    pub fn dom(&self) -> Option<&[u8]> {
        self.dom.as_deref()
    }

    /// The object's path.
    #[must_use]
    pub fn obj(&self) -> &[u8] {
        &self.obj
    }

    /// The operation.
    #[must_use]
    pub fn op(&self) -> Op {
        self.op
    }

    /// One value for each of the operation's arguments.
    #[must_use]
    pub fn args(&self) -> &[ArgValue] {
        &self.args
    }
}

fn expected(ty: ArgType) -> &'static str {
    match ty {
        ArgType::Unsigned => "an unsigned 64-bit number",
        ArgType::Signed => "a signed 64-bit number",
        ArgType::Path => "an absolute, normal path",
        ArgType::Text => "a text",
    }
}

/// The number `text` spells: decimal, `0x` or `0o`; a minus only where `ty` is signed.
#[must_use]
pub fn parse_number(text: &str, ty: ArgType) -> Option<u64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) if ty == ArgType::Signed => (true, rest),
        Some(_) => return None,
        None => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match (ty, negative) {
        (ArgType::Signed, true) => (magnitude <= 1 << 63).then(|| magnitude.wrapping_neg()),
        (ArgType::Signed, false) => i64::try_from(magnitude).ok().map(|_| magnitude),
        _ => Some(magnitude),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_spellings_and_a_sign_where_signed() {
        assert_eq!(parse_number("0x1a4", ArgType::Unsigned), Some(420));
        assert_eq!(parse_number("0o644", ArgType::Unsigned), Some(420));
        assert_eq!(parse_number("-1", ArgType::Unsigned), None);
        assert_eq!(parse_number("-1", ArgType::Signed), Some(u64::MAX));
        assert_eq!(parse_number("9223372036854775808", ArgType::Signed), None);
        assert_eq!(parse_number("+1", ArgType::Unsigned), None);
        assert_eq!(parse_number("", ArgType::Unsigned), None);
    }

    #[test]
    fn canonical_paths() {
        for good in ["/", "/a", "/a/b", "/...", "/a/.b"] {
            assert!(is_canonical(good.as_bytes()), "{good}");
        }
        for bad in ["", "a", "/a/", "//", "/a//b", "/.", "/a/..", "/a\0"] {
            assert!(!is_canonical(bad.as_bytes()), "{bad}");
        }
    }
}
