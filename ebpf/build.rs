//! Compiles the decision headers for the host, and the BPF objects with clang: those of the lsm plane once, that of the
//! `bpf` engine for each size of policy.

use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object as _, ObjectSection as _};

/// Sizes a policy's blob may have, in bytes. `src/lib.rs` chooses among the same.
const SIZES: [u32; 4] = [64 << 10, 1 << 20, 16 << 20, 64 << 20];

fn main() {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed=CLANG");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("INVARIANT: cargo sets OUT_DIR"));
    let clang = std::env::var("CLANG").unwrap_or_else(|_| "clang".into());
    let mut running = Vec::new();
    for program in ["boesfs", "empty", "probe"] {
        running.push((program, compile(&clang, program, None, &out)));
    }
    for size in SIZES {
        running.push(("decide", compile(&clang, "decide", Some(size), &out)));
    }
    for (program, mut child) in running {
        match child.wait() {
            Ok(status) if status.success() => {}
            Ok(status) => panic!("{clang} failed on bpf/{program}.bpf.c: {status}"),
            Err(error) => panic!("{clang} failed on bpf/{program}.bpf.c: {error}"),
        }
    }
    let path = out.join("boesfs.o");
    let mut object = std::fs::read(&path).expect("INVARIANT: clang has just written it");
    leave_out_lines(&mut object);
    std::fs::write(&path, &object).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    println!("cargo::rustc-env=BOESFS_OBJECT_HASH={:016x}", fnv(&object));
    cc::Build::new()
        .file("bpf/native.c")
        .flag("-std=gnu11")
        .warnings(true)
        .extra_warnings(true)
        .flag("-Wno-unused-parameter")
        .opt_level(2)
        .compile("boesfs_native");
}

/// Empties the table of source lines in `object`'s `.BTF.ext`. The loader copies the whole of it for each function, some
/// 60 MB together, and the kernel keeps it for each program that is loaded.
fn leave_out_lines(object: &mut [u8]) {
    /// Byte of `line_info_len` in `struct btf_ext_header` of libbpf.
    const LINE_INFO_LEN: usize = 20;
    let elf = object::File::parse(&*object).expect("INVARIANT: clang writes ELF");
    let section = elf.section_by_name(".BTF.ext").expect("INVARIANT: clang -g writes BTF");
    let (at, _) = section.file_range().expect("INVARIANT: BTF takes room in the file");
    let at = at as usize + LINE_INFO_LEN;
    object[at..at + 4].fill(0);
}

/// FNV-1a: tells one build of the programs from another, nothing more.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn compile(clang: &str, program: &str, size: Option<u32>, out: &Path) -> std::process::Child {
    let object = size.map_or_else(|| format!("{program}.o"), |size| format!("{program}.{size}.o"));
    let spawned = Command::new(clang)
        .args(["-g", "-O2", "-target", "bpf", "-mcpu=v3", "-std=gnu11"])
        .args(["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-unused-function"])
        .args(size.map(|size| format!("-DBOESFS_BLOB_SIZE={size}")))
        .arg("-c")
        .arg(format!("bpf/{program}.bpf.c"))
        .arg("-o")
        .arg(out.join(object))
        .spawn();
    match spawned {
        Ok(child) => child,
        Err(error) => panic!(
            "cannot run {clang}: {error}. BPF programs are compiled with clang and libbpf's headers: \
             apt-get install clang libbpf-dev"
        ),
    }
}
