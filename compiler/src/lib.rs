//! boesfs compiler.
