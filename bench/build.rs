//! Compiles the BPF program that times decisions, for each packing and size of policy.

use std::path::PathBuf;
use std::process::Command;

/// Sizes of a policy, in bytes: those of the product.
const SIZES: [u32; 4] = [64 << 10, 1 << 20, 16 << 20, 64 << 20];

fn main() {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-changed=../ebpf/bpf");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("INVARIANT: cargo sets OUT_DIR"));
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".into());
    for packing in 0..3 {
        for size in SIZES {
            let status = Command::new(&clang)
                .args(["-g", "-O2", "-target", "bpf", "-mcpu=v3", "-std=gnu11"])
                .args(["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-unused-function"])
                .arg(format!("-DBOESFS_BLOB_SIZE={size}"))
                .arg(format!("-DBOESFS_PACKING={packing}"))
                .args(["-c", "bpf/time.bpf.c", "-o"])
                .arg(out.join(format!("time.{packing}.{size}.o")))
                .status();
            match status {
                Ok(status) if status.success() => {}
                Ok(status) => panic!("{clang} failed on bpf/time.bpf.c: {status}"),
                Err(error) => panic!("cannot run {clang}: {error}"),
            }
        }
    }
}
