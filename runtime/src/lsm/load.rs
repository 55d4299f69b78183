//! From a policy to programs in the kernel: `Opened -> Loaded`.

use std::os::unix::fs::MetadataExt;

use aya::maps::{Array, MapData, RingBuf};
use aya::programs::Lsm as LsmProgram;
use aya::{Btf, Ebpf, EbpfLoader};
use boesfs_abi::hooks::{HOOKS, Hook, RECORD};
use boesfs_abi::image::ValidImage;
use boesfs_abi::map::{CALL_PATH, Program, WORKS_PER_CPU};
use boesfs_ebpf::{SLACK, SizeClass};

use super::prototype;
use super::wire::Wire as _;

/// Why the programs are not at work.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The blob is larger than any object takes.
    #[error("the policy's blob has {0} bytes, more than {max}", max = SizeClass::Huge.bytes())]
    TooLarge(usize),
    /// Something of /proc or /sys is missing.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel's symbols are hidden.
    #[error(
        "/proc/kallsyms does not give the address of `rename_lock`: run as root, with kernel.kptr_restrict below 2"
    )]
    Symbol,
    /// The kernel has no BTF.
    #[error("the kernel has no type information: {0}")]
    Btf(#[from] aya::BtfError),
    /// The object was refused.
    #[error("cannot load the object: {0}")]
    Object(#[from] aya::EbpfError),
    /// A program was refused.
    #[error("cannot {action} `{program}` at `{hook}`: {source}")]
    Program {
        /// What was to be done.
        action: &'static str,
        /// The program.
        program: &'static str,
        /// Its hook.
        hook: &'static str,
        /// Why.
        source: Box<aya::programs::ProgramError>,
    },
    /// A map was refused.
    #[error("map `{map}`: {reason}")]
    Map {
        /// Which.
        map: &'static str,
        /// Why.
        reason: String,
    },
}

impl LoadError {
    pub(super) fn map(map: &'static str, reason: impl ToString) -> Self {
        Self::Map { map, reason: reason.to_string() }
    }
}

/// Programs that the subjects of a policy name, and their classes.
#[derive(Debug, Default)]
pub(super) struct Programs(pub(super) Vec<(Program, Vec<u8>)>);

/// Programs that the verifier has passed, with the policy in their maps. Nothing is attached.
pub(super) struct Loaded {
    ebpf: Ebpf,
    /// Programs the policy needs.
    needed: Vec<&'static Hook>,
}

/// What is attached: it stays so until this is dropped.
pub(super) struct Attached(
    #[expect(dead_code, reason = "held for its drop")] Vec<aya::programs::lsm::LsmLink>,
);

fn read(path: &str) -> Result<String, LoadError> {
    std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.into(), source })
}

/// The inode number of this process's mount namespace.
fn own_namespace() -> Result<u32, LoadError> {
    let path = "/proc/self/ns/mnt";
    let file = std::fs::metadata(path).map_err(|source| LoadError::Read { path: path.into(), source })?;
    Ok(file.ino() as u32)
}

fn rename_lock() -> Result<u64, LoadError> {
    read("/proc/kallsyms")?
        .lines()
        .filter_map(|line| line.strip_suffix(" rename_lock"))
        .find_map(|line| u64::from_str_radix(line.split(' ').next()?, 16).ok())
        .filter(|address| *address != 0)
        .ok_or(LoadError::Symbol)
}

/// Loads and attaches the one program that stands for all: if this works, so do the others.
pub(super) fn probe() -> Result<(), LoadError> {
    let btf = Btf::from_sys_fs()?;
    rename_lock()?;
    let mut ebpf =
        EbpfLoader::new().btf(Some(&btf)).allow_unsupported_maps().load(SizeClass::Small.lsm_object())?;
    program(&mut ebpf, &RECORD)?
        .load(RECORD.hook, &btf)
        .map_err(|source| refused("load", &RECORD, source))?;
    attach(&mut ebpf, &RECORD).map(drop)
}

/// Loads the programs `image` needs, for programs named by `programs`.
pub(super) fn load(image: &ValidImage, programs: &Programs) -> Result<Loaded, LoadError> {
    let size = SizeClass::of(image.blob()).ok_or(LoadError::TooLarge(image.blob().len()))?;
    let btf = Btf::from_sys_fs()?;
    let (namespace, rename_lock) = (own_namespace()?, rename_lock()?);
    let path = "/sys/kernel/btf/vmlinux";
    let types = std::fs::read(path).map_err(|source| LoadError::Read { path: path.into(), source })?;
    let setattr_has_idmap = u32::from(prototype::argument_count(&types, "inode_setattr") == Some(3));
    let cpus = aya::util::nr_cpus()
        .map_err(|(path, source)| LoadError::Read { path: path.into(), source })?
        .try_into()
        .unwrap_or(u32::MAX / WORKS_PER_CPU);
    let mut ebpf = EbpfLoader::new()
        .btf(Some(&btf))
        .allow_unsupported_maps()
        .override_global("boesfs_host_namespace", &namespace, true)
        .override_global("boesfs_rename_lock", &rename_lock, true)
        .override_global("boesfs_setattr_has_idmap", &setattr_has_idmap, true)
        .map_max_entries("scratches", cpus * WORKS_PER_CPU)
        .map_max_entries("taken", cpus)
        .map_max_entries("programs", (programs.0.len() as u32).max(1))
        .load(size.lsm_object())?;
    fill_blob(&mut ebpf, size, image.blob())?;
    for (index, (program, text)) in programs.0.iter().enumerate() {
        let mut bytes = [0; size_of::<Program>() + CALL_PATH as usize];
        bytes[..size_of::<Program>()].copy_from_slice(&program.to_bytes());
        bytes[size_of::<Program>()..][..text.len()].copy_from_slice(text);
        set(&mut ebpf, "programs", index as u32, &bytes)?;
    }
    let mut needed = Vec::new();
    for hook in HOOKS.iter().filter(|hook| hook.needed(image)).chain([&RECORD]) {
        let program: &mut LsmProgram = program(&mut ebpf, hook)?;
        match program.load(hook.hook, &btf) {
            Err(aya::programs::ProgramError::Btf(_)) if hook.optional => {}
            other => {
                other.map_err(|source| refused("load", hook, source))?;
                if hook.program != RECORD.program {
                    needed.push(hook);
                }
            }
        }
    }
    Ok(Loaded { ebpf, needed })
}

fn refused(action: &'static str, hook: &Hook, source: aya::programs::ProgramError) -> LoadError {
    LoadError::Program { action, program: hook.program, hook: hook.hook, source: Box::new(source) }
}

fn program<'a>(ebpf: &'a mut Ebpf, hook: &Hook) -> Result<&'a mut LsmProgram, LoadError> {
    ebpf.program_mut(hook.program)
        .expect("INVARIANT: the object has every program of the table")
        .try_into()
        .map_err(|source| refused("load", hook, source))
}

fn fill_blob(ebpf: &mut Ebpf, size: SizeClass, blob: &[u8]) -> Result<(), LoadError> {
    fn fill<const N: usize>(ebpf: &mut Ebpf, blob: &[u8]) -> Result<(), LoadError> {
        let mut value = vec![0; N];
        value[..blob.len()].copy_from_slice(blob);
        let value: Box<[u8; N]> =
            value.into_boxed_slice().try_into().map_err(|_| LoadError::map("blob", "of the wrong size"))?;
        set(ebpf, "blob", 0, &value)
    }
    match size {
        SizeClass::Small => fill::<{ SizeClass::Small.bytes() + SLACK }>(ebpf, blob),
        SizeClass::Medium => fill::<{ SizeClass::Medium.bytes() + SLACK }>(ebpf, blob),
        SizeClass::Large => fill::<{ SizeClass::Large.bytes() + SLACK }>(ebpf, blob),
        SizeClass::Huge => fill::<{ SizeClass::Huge.bytes() + SLACK }>(ebpf, blob),
    }
}

fn set<const N: usize>(
    ebpf: &mut Ebpf,
    map: &'static str,
    index: u32,
    value: &[u8; N],
) -> Result<(), LoadError> {
    let found = ebpf.map_mut(map).ok_or_else(|| LoadError::map(map, "not in the object"))?;
    let mut array: Array<&mut MapData, [u8; N]> =
        found.try_into().map_err(|error| LoadError::map(map, error))?;
    array.set(index, value, 0).map_err(|error| LoadError::map(map, error))
}

impl Loaded {
    /// Sets element `index` of array `map`.
    pub(super) fn set<const N: usize>(
        &mut self,
        map: &'static str,
        index: u32,
        value: &[u8; N],
    ) -> Result<(), LoadError> {
        set(&mut self.ebpf, map, index, value)
    }

    /// Element `index` of array `map`.
    pub(super) fn get<const N: usize>(&self, map: &'static str, index: u32) -> Result<[u8; N], LoadError> {
        let found = self.ebpf.map(map).ok_or_else(|| LoadError::map(map, "not in the object"))?;
        let array: Array<&MapData, [u8; N]> = found.try_into().map_err(|error| LoadError::map(map, error))?;
        array.get(&index, 0).map_err(|error| LoadError::map(map, error))
    }

    /// The map of labels, by pidfd.
    pub(super) fn labels(&self) -> Result<std::os::fd::BorrowedFd<'_>, LoadError> {
        use std::os::fd::AsFd as _;
        match self.ebpf.map("labels") {
            Some(aya::maps::Map::Unsupported(data)) => Ok(data.fd().as_fd()),
            _ => Err(LoadError::map("labels", "not in the object")),
        }
    }

    /// The events' ring buffer; once.
    pub(super) fn events(&mut self) -> Result<RingBuf<MapData>, LoadError> {
        let map = self.ebpf.take_map("events").ok_or_else(|| LoadError::map("events", "taken already"))?;
        RingBuf::try_from(map).map_err(|error| LoadError::map("events", error))
    }

    /// Attaches the programs that the policy needs.
    pub(super) fn attach(&mut self) -> Result<Attached, LoadError> {
        let needed = self.needed.clone();
        let links = needed.into_iter().map(|hook| attach(&mut self.ebpf, hook)).collect::<Result<_, _>>()?;
        Ok(Attached(links))
    }

    /// Attaches the program that notes places.
    pub(super) fn attach_recorder(&mut self) -> Result<Attached, LoadError> {
        Ok(Attached(vec![attach(&mut self.ebpf, &RECORD)?]))
    }
}

fn attach(ebpf: &mut Ebpf, hook: &Hook) -> Result<aya::programs::lsm::LsmLink, LoadError> {
    let program = program(ebpf, hook)?;
    let link = program.attach().map_err(|source| refused("attach", hook, source))?;
    program.take_link(link).map_err(|source| refused("attach", hook, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use boesfs_abi::image::decode;
    use boesfs_abi::memory::maps;

    #[test]
    fn the_memory_that_is_foretold_is_what_the_object_asks_for() {
        let image = decode(include_bytes!("../../../abi/tests/images/boesfs.bin")).expect("an image");
        let object = aya_obj::Object::parse(SizeClass::Small.lsm_object()).expect("an object");
        // Labels are counted by task; constants of the programs are a page or less.
        let mut asked: Vec<(&str, usize)> = object
            .maps
            .iter()
            .filter(|(name, _)| *name != "labels" && !name.starts_with('.'))
            .map(|(name, map)| {
                let ring = map.map_type() == aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_RINGBUF as u32;
                let bytes = if ring { map.max_entries() } else { map.value_size().next_multiple_of(8) };
                (name.as_str(), bytes as usize)
            })
            .collect();
        let mut foretold: Vec<(&str, usize)> =
            maps(&image).iter().map(|map| (map.name, map.element)).collect();
        asked.sort_unstable();
        foretold.sort_unstable();
        assert_eq!(asked, foretold);
        for size in SizeClass::ALL {
            let object = aya_obj::Object::parse(size.lsm_object()).expect("an object");
            assert_eq!(object.maps["blob"].value_size() as usize, size.bytes() + SLACK);
        }
    }
}
