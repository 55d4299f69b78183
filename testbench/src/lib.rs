//! boesfs testbench.
