//! boesfs ebpf.
