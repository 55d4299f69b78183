//! boesfs grammar.
