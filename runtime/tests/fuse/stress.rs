//! .
use crate::mounted::Test;

pub(crate) const TESTS: &[Test] = &[];
