//! bpf(2), for what the loading library does not cover.

use std::ffi::CStr;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use libc::c_long;

const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_int = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
const BPF_MAP_DELETE_ELEM: libc::c_int = 3;
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_OBJ_PIN: libc::c_int = 6;
const BPF_OBJ_GET: libc::c_int = 7;
const BPF_PROG_RUN: libc::c_int = 10;
const BPF_MAP_GET_FD_BY_ID: libc::c_int = 14;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_BTF_LOAD: libc::c_int = 18;
const BPF_MAP_FREEZE: libc::c_int = 22;
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_MAP_TYPE_RINGBUF: u32 = 27;
/// The kinds of maps whose values are there once for each processor.
const PER_PROCESSOR: [u32; 4] = [5, 6, 10, 21];
const BPF_F_INNER_MAP: u32 = 1 << 12;
const BPF_LSM_MAC: u32 = 27;
const BPF_PROG_TYPE_SYSCALL: u32 = 31;
const BPF_F_SLEEPABLE: u32 = 1 << 4;

#[repr(C)]
struct MapElement {
    map: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl MapElement {
    fn new(map: BorrowedFd<'_>, key: &[u8], value: u64) -> Self {
        Self { map: map.as_raw_fd() as u32, reserved: 0, key: key.as_ptr() as u64, value, flags: 0 }
    }
}

/// Sets the value of `key` in `map`, which must not have a value for each processor.
///
/// # Errors
/// `InvalidInput` unless both have the length the map was made with; what bpf(2) says.
pub fn map_update(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    check_lengths(map, key, Some(value))?;
    bpf(BPF_MAP_UPDATE_ELEM, &MapElement::new(map, key, value.as_ptr() as u64)).map(drop)
}

/// Reads the value of `key` in `map`, which must not have a value for each processor, into `value`; whether there is one.
///
/// # Errors
/// `InvalidInput` unless both have the length the map was made with; what bpf(2) says.
pub fn map_lookup(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8]) -> io::Result<bool> {
    check_lengths(map, key, Some(value))?;
    present(bpf_mut(BPF_MAP_LOOKUP_ELEM, &mut MapElement::new(map, key, value.as_mut_ptr() as u64)))
}

/// Takes `key` out of `map`; whether it was there.
///
/// # Errors
/// `InvalidInput` unless it has the length the map was made with; what bpf(2) says.
pub fn map_delete(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<bool> {
    check_lengths(map, key, None)?;
    present(bpf(BPF_MAP_DELETE_ELEM, &MapElement::new(map, key, 0)))
}

/// The kernel takes as much as a map's keys and values have, whatever there is.
fn check_lengths(map: BorrowedFd<'_>, key: &[u8], value: Option<&[u8]>) -> io::Result<()> {
    let shape = shape(map)?;
    let fits = |length: u32, bytes: &[u8]| bytes.len() == length as usize;
    let one_each = !PER_PROCESSOR.contains(&shape.kind);
    if one_each && fits(shape.key_len, key) && value.is_none_or(|value| fits(shape.value_len, value)) {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

fn present(result: io::Result<c_long>) -> io::Result<bool> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        other => other.map(|_| true),
    }
}

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    kind: u32,
    key_len: u32,
    value_len: u32,
    entries: u32,
    flags: u32,
    inner: u32,
    node: u32,
    name: [u8; 16],
}

/// A new array of `entries` values of `value_len` bytes. An `inner` one may stand in an array of maps beside others
/// of another length.
///
/// # Errors
/// What bpf(2) says.
pub fn array_create(value_len: u32, entries: u32, inner: bool) -> io::Result<OwnedFd> {
    let flags = if inner { BPF_F_INNER_MAP } else { 0 };
    let map =
        MapCreate { kind: BPF_MAP_TYPE_ARRAY, key_len: 4, value_len, entries, flags, ..MapCreate::default() };
    super::owned(bpf(BPF_MAP_CREATE, &map)?)
}

/// A new ring buffer of `bytes`, a power of two of pages.
///
/// # Errors
/// What bpf(2) says.
pub fn ring_create(bytes: u32) -> io::Result<OwnedFd> {
    let map = MapCreate { kind: BPF_MAP_TYPE_RINGBUF, entries: bytes, ..MapCreate::default() };
    super::owned(bpf(BPF_MAP_CREATE, &map)?)
}

/// Returns once every program that was running when it was called is done: puts what stands at `key` of the array of maps
/// `map` there again, for which the kernel waits so long. Something must stand there.
///
/// # Errors
/// What bpf(2) says.
pub fn wait_for_programs(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<()> {
    let mut id = [0; 4];
    if !map_lookup(map, key, &mut id)? {
        return Err(io::ErrorKind::NotFound.into());
    }
    let inner = map_by_id(u32::from_ne_bytes(id))?;
    map_update(map, key, &inner.as_raw_fd().to_ne_bytes())
}

/// The map that the kernel knows by the number `id`.
///
/// # Errors
/// What bpf(2) says.
pub fn map_by_id(id: u32) -> io::Result<OwnedFd> {
    super::owned(bpf(BPF_MAP_GET_FD_BY_ID, &[id, 0, 0])?)
}

#[repr(C)]
struct InfoRequest {
    object: u32,
    length: u32,
    info: u64,
}

/// The number that the kernel knows `object`, a map or a program, by.
///
/// # Errors
/// What bpf(2) says.
pub fn id_of(object: BorrowedFd<'_>) -> io::Result<u32> {
    // Of either kind the type comes first, then the number.
    let mut info = [0u32; 2];
    let length = size_of_val(&info) as u32;
    let mut request =
        InfoRequest { object: object.as_raw_fd() as u32, length, info: info.as_mut_ptr() as u64 };
    bpf_mut(BPF_OBJ_GET_INFO_BY_FD, &mut request)?;
    Ok(info[1])
}

struct Shape {
    kind: u32,
    key_len: u32,
    value_len: u32,
    entries: u32,
}

fn shape(map: BorrowedFd<'_>) -> io::Result<Shape> {
    let mut info = [0u32; 5];
    let length = size_of_val(&info) as u32;
    let mut request = InfoRequest { object: map.as_raw_fd() as u32, length, info: info.as_mut_ptr() as u64 };
    bpf_mut(BPF_OBJ_GET_INFO_BY_FD, &mut request)?;
    let [kind, _, key_len, value_len, entries] = info;
    Ok(Shape { kind, key_len, value_len, entries })
}

/// Bytes of a value and number of values of `map`, if it is an array.
///
/// # Errors
/// What bpf(2) says; `InvalidData` if it is something else.
pub fn array_shape(map: BorrowedFd<'_>) -> io::Result<(u32, u32)> {
    match shape(map)? {
        Shape { kind: BPF_MAP_TYPE_ARRAY, key_len: 4, value_len, entries } => Ok((value_len, entries)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Bytes of a value of `map`.
///
/// # Errors
/// What bpf(2) says.
pub fn value_length(map: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(shape(map)?.value_len as usize)
}

/// From here on no user space changes `map`.
///
/// # Errors
/// What bpf(2) says.
pub fn map_freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    bpf(BPF_MAP_FREEZE, &(map.as_raw_fd() as u32)).map(drop)
}

#[repr(C)]
struct Object {
    path: u64,
    fd: u32,
    flags: u32,
}

/// Gives `object` (a map, program or link) a name on a bpf file system.
///
/// # Errors
/// What bpf(2) says.
pub fn pin(object: BorrowedFd<'_>, path: &CStr) -> io::Result<()> {
    let object = Object { path: path.as_ptr() as u64, fd: object.as_raw_fd() as u32, flags: 0 };
    bpf(BPF_OBJ_PIN, &object).map(drop)
}

/// What has the name `path` on a bpf file system.
///
/// # Errors
/// What bpf(2) says.
pub fn pinned(path: &CStr) -> io::Result<OwnedFd> {
    super::owned(bpf(BPF_OBJ_GET, &Object { path: path.as_ptr() as u64, fd: 0, flags: 0 })?)
}

#[repr(C)]
struct LinkCreate {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
}

/// Attaches an LSM program to its hook, for as long as what is returned lives or is pinned.
///
/// # Errors
/// What bpf(2) says.
pub fn lsm_attach(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let link =
        LinkCreate { program: program.as_raw_fd() as u32, target: 0, attach_type: BPF_LSM_MAC, flags: 0 };
    super::owned(bpf(BPF_LINK_CREATE, &link)?)
}

#[repr(C)]
struct BtfLoad {
    btf: u64,
    log: u64,
    btf_size: u32,
    log_size: u32,
    log_level: u32,
}

/// Loads type information.
///
/// # Errors
/// What bpf(2) says.
pub fn btf_load(btf: &[u8]) -> io::Result<OwnedFd> {
    let load =
        BtfLoad { btf: btf.as_ptr() as u64, log: 0, btf_size: btf.len() as u32, log_size: 0, log_level: 0 };
    super::owned(bpf(BPF_BTF_LOAD, &load)?)
}

/// A program of type `syscall`, ready to load.
#[derive(Debug)]
pub struct SyscallProgram<'a> {
    /// Instructions, 8 bytes each.
    pub instructions: &'a [u8],
    /// Its type information.
    pub btf: BorrowedFd<'a>,
    /// `struct bpf_func_info` records.
    pub functions: &'a [u8],
    /// Bytes of one.
    pub function_len: u32,
}

#[derive(Default)]
#[repr(C)]
struct ProgramLoad {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    device: u32,
    attach_type: u32,
    btf: u32,
    function_len: u32,
    functions: u64,
    function_count: u32,
    line_len: u32,
    lines: u64,
    line_count: u32,
    reserved: u32,
}

/// Loads `program`, under the GPL.
///
/// # Errors
/// What bpf(2) says, followed by the end of what the verifier says.
pub fn syscall_program_load(program: &SyscallProgram<'_>) -> io::Result<OwnedFd> {
    let mut log = vec![0u8; 1 << 20];
    let load = ProgramLoad {
        kind: BPF_PROG_TYPE_SYSCALL,
        instruction_count: (program.instructions.len() / 8) as u32,
        instructions: program.instructions.as_ptr() as u64,
        license: c"GPL".as_ptr() as u64,
        flags: BPF_F_SLEEPABLE,
        btf: program.btf.as_raw_fd() as u32,
        function_len: program.function_len,
        functions: program.functions.as_ptr() as u64,
        function_count: (program.functions.len() / program.function_len.max(1) as usize) as u32,
        ..ProgramLoad::default()
    };
    match bpf(BPF_PROG_LOAD, &load) {
        Ok(fd) => super::owned(fd),
        Err(error) => {
            // Once more for the reasons: a log that does not fit would make a good program fail.
            let load = ProgramLoad {
                log_level: 1,
                log_size: log.len() as u32,
                log: log.as_mut_ptr() as u64,
                ..load
            };
            let _ = bpf(BPF_PROG_LOAD, &load);
            log.truncate(log.iter().position(|byte| *byte == 0).unwrap_or(0));
            let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(1000)..]).into_owned();
            Err(io::Error::new(error.kind(), format!("{error}: {tail}")))
        }
    }
}

#[derive(Default)]
#[repr(C)]
struct ProgramRun {
    program: u32,
    result: u32,
    data_size: [u32; 2],
    data: [u64; 2],
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    reserved: u32,
}

/// Runs a program of type `syscall` on `context`, which it may change; what it returns.
///
/// # Errors
/// What bpf(2) says.
pub fn program_run(program: BorrowedFd<'_>, context: &mut [u8]) -> io::Result<u32> {
    let mut run = ProgramRun {
        program: program.as_raw_fd() as u32,
        context_size_in: context.len() as u32,
        context_in: context.as_mut_ptr() as u64,
        ..ProgramRun::default()
    };
    bpf_mut(BPF_PROG_RUN, &mut run)?;
    Ok(run.result)
}

fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<c_long> {
    // SAFETY: `attributes` and what it points to outlive the call, and the kernel reads its exact length.
    let result: c_long =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    super::check(result)
}

fn bpf_mut<T>(command: libc::c_int, attributes: &mut T) -> io::Result<c_long> {
    // SAFETY: as in `bpf`; the kernel writes results back into the attributes.
    let result: c_long =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    super::check(result)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn a_key_or_value_of_another_length_is_refused() {
        let map = match array_create(8, 2, false) {
            Err(error) if !nix::unistd::Uid::effective().is_root() => {
                return println!("skipped: only root makes maps here ({error})");
            }
            map => map.unwrap(),
        };
        let map = map.as_fd();
        let refused = |error: io::Error| error.kind() == io::ErrorKind::InvalidInput;
        let (key, mut value) = ([1, 0, 0, 0], [7; 8]);
        map_update(map, &key, &value).unwrap();
        for length in [0, 4, 7, 9, 16] {
            assert!(map_update(map, &key, &vec![1; length]).is_err_and(refused), "{length}");
            assert!(map_lookup(map, &key, &mut vec![0; length]).is_err_and(refused), "{length}");
        }
        for length in [0, 3, 5, 8] {
            assert!(map_update(map, &vec![0; length], &value).is_err_and(refused), "{length}");
            assert!(map_lookup(map, &vec![0; length], &mut value).is_err_and(refused), "{length}");
            assert!(map_delete(map, &vec![0; length]).is_err_and(refused), "{length}");
        }
        assert!(map_lookup(map, &key, &mut value).unwrap());
        assert_eq!(value, [7; 8]);
    }
}
