//! boesfs runtime.
