//! Programs at hooks: loaded when they are first needed, pinned, attached as long as some policy needs them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::num::NonZero;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use aya::programs::{Lsm as LsmProgram, Program, RawTracePoint};
use aya::{Btf, Ebpf, EbpfLoader};
use boesfs_abi::hooks::{HOOKS, Hook, Need, SEAL};
use boesfs_abi::image::ValidImage;
use boesfs_abi::map::WORKS_PER_CPU;

use super::error::LoadError;
use super::prototype;
use crate::sys::{self, bpf};

/// The program that notes places; it is run, not attached.
pub(super) const RECORD: &str = "boesfs_record";

/// How many programs the kernel is asked to verify at a time, at most: each takes some megabytes meanwhile.
const MOST_LOADERS: usize = 8;

/// Every map of the programs, each pinned under its name.
pub(super) const MAPS: [&str; 24] = [
    "armed",
    "asked",
    "bindings",
    "dirs",
    "engine",
    "folds",
    "labels",
    "limits",
    "long_dirs",
    "memos",
    "mounts",
    "moved",
    "orphans",
    "policies",
    "policies_huge",
    "policies_large",
    "policies_medium",
    "policies_small",
    "rings",
    "sandboxes",
    "scratches",
    "seals",
    "tables",
    "taken",
];

/// Under which name the programs' variables are pinned: `struct boesfs_tally`.
pub(super) const TALLY: &str = "tally";
/// How many bytes it has: what is counted, one number that stays 0, and the last renames.
pub(super) const TALLY_BYTES: usize = 72 + 8 * 128;

/// The hooks that `image` needs, a bit each.
pub(super) fn needed(image: &ValidImage) -> u64 {
    bits(|hook| hook.needed(image))
}

/// The hooks that `image` needs where descriptors can be open that another policy let be opened.
pub(super) fn needed_after_another(image: &ValidImage) -> u64 {
    bits(|hook| hook.needed_after_another(image))
}

/// The hooks at which a program judges what goes through descriptors.
pub(super) fn transfers() -> u64 {
    bits(|hook| matches!(hook.need, Need::BeyondOpen(_)))
}

fn bits(holds: impl Fn(&Hook) -> bool) -> u64 {
    HOOKS.iter().enumerate().filter(|(_, hook)| holds(hook)).fold(0, |all, (at, _)| all | 1 << at)
}

/// The hooks at which files that are open are read, written and mapped.
pub(super) fn through_descriptors() -> u64 {
    let wanted = ["file_permission", "mmap_file"];
    let bits = HOOKS.iter().enumerate().filter(|(_, hook)| wanted.contains(&hook.hook));
    bits.fold(0, |all, (at, _)| all | 1 << at)
}

/// The inode number of this process's mount namespace.
pub(super) fn own_namespace() -> Result<u32, LoadError> {
    let path = "/proc/self/ns/mnt";
    let file = std::fs::metadata(path).map_err(|source| LoadError::read(path, source))?;
    Ok(file.ino() as u32)
}

/// Where the kernel has what programs read by address.
struct Symbols {
    rename_lock: u64,
    /// Not every kernel tells; without it, programs look a little longer at tasks that are in no sandbox.
    init_nsproxy: Option<u64>,
}

impl Symbols {
    fn read() -> Result<Self, LoadError> {
        let path = "/proc/kallsyms";
        let text = std::fs::read_to_string(path).map_err(|source| LoadError::read(path, source))?;
        let find = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix(' '))?;
            let address = u64::from_str_radix(line.split(' ').next()?, 16).ok()?;
            (address != 0).then_some(address)
        };
        let rename_lock = find("rename_lock").ok_or(LoadError::Symbol)?;
        Ok(Self { rename_lock, init_nsproxy: find("init_nsproxy") })
    }
}

/// Whether answers of memos are compared with fresh ones, as `boesfs_check_memos` of the programs says: for tests.
pub(super) fn check_memos() -> u32 {
    std::env::var("BOESFS_CHECK_MEMOS").ok().and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// A number that nobody knows.
fn secret() -> Result<u64, LoadError> {
    let path = "/dev/urandom";
    let mut secret = [0; 8];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut secret))
        .map_err(|source| LoadError::read(path, source))?;
    Ok(u64::from_ne_bytes(secret))
}

/// Loads and attaches a program that does nothing: if this works, so do the others.
pub(super) fn probe() -> Result<(), LoadError> {
    let btf = type_information()?;
    Symbols::read()?;
    let mut ebpf = EbpfLoader::new().btf(Some(&btf)).load(boesfs_ebpf::probe_object())?;
    let (name, hook) = ("boesfs_probe", "sb_pivotroot");
    let program: &mut LsmProgram = ebpf
        .program_mut(name)
        .expect("INVARIANT: the object has this program")
        .try_into()
        .map_err(|source| LoadError::program("load", name, source))?;
    program.load(hook, &btf).map_err(|source| LoadError::program("load", name, source))?;
    let fd = program.fd().map_err(|source| LoadError::program("load", name, source))?;
    bpf::lsm_attach(fd.as_fd()).map(drop).map_err(|source| LoadError::attach(name, hook, source))
}

fn type_information() -> Result<Btf, LoadError> {
    Btf::from_sys_fs().map_err(|source| match Path::new("/sys/kernel/btf/vmlinux").exists() {
        true => LoadError::Btf(source),
        false => LoadError::NoBtf,
    })
}

/// The programs, their maps and their links in a directory of a bpf file system.
#[derive(Debug)]
pub(super) struct Programs {
    directory: PathBuf,
    host_namespace: u32,
}

/// Programs whose maps the kernel has, to be loaded.
struct Loader {
    ebpf: Ebpf,
    btf: Btf,
}

impl Programs {
    /// Those in `directory`, where the tasks of `host_namespace` are let go.
    pub(super) fn new(directory: &Path, host_namespace: u32) -> Self {
        Self { directory: directory.to_owned(), host_namespace }
    }

    pub(super) fn path(&self, kind: &str, name: &str) -> PathBuf {
        self.directory.join(format!("{kind}_{name}"))
    }

    /// Makes and pins all maps, and loads the program that notes places.
    pub(super) fn create(&self) -> Result<(), LoadError> {
        let mut loader = self.loader()?;
        let failed = |source| LoadError::program("load", RECORD, source);
        let program: &mut RawTracePoint = loader
            .ebpf
            .program_mut(RECORD)
            .expect("INVARIANT: the object has this program")
            .try_into()
            .map_err(failed)?;
        program.load().map_err(failed)?;
        self.pin(program.fd().map_err(failed)?.as_fd(), "program", RECORD)
    }

    /// The program that notes places.
    pub(super) fn recorder(&self) -> Result<OwnedFd, LoadError> {
        pinned(&self.path("program", RECORD))
    }

    /// The map called `name`.
    pub(super) fn map(&self, name: &str) -> Result<OwnedFd, LoadError> {
        pinned(&self.directory.join(name))
    }

    fn loader(&self) -> Result<Loader, LoadError> {
        let btf = type_information()?;
        let (symbols, check_memos) = (Symbols::read()?, check_memos());
        let path = "/sys/kernel/btf/vmlinux";
        let types = std::fs::read(path).map_err(|source| LoadError::read(path, source))?;
        let setattr_has_idmap = u32::from(prototype::argument_count(&types, "inode_setattr") == Some(3));
        let cpus = aya::util::nr_cpus()
            .map_err(|(path, source)| LoadError::read(path, source))?
            .try_into()
            .unwrap_or(u32::MAX / WORKS_PER_CPU);
        let fold_seed = secret()?;
        // From 2 to 2^61 - 2.
        let path_key = 2 + secret()? % ((1 << 61) - 3);
        let mut loader = EbpfLoader::new();
        loader
            .btf(Some(&btf))
            .allow_unsupported_maps()
            .override_global("boesfs_host_namespace", &self.host_namespace, true)
            .override_global("boesfs_fold_seed", &fold_seed, true)
            .override_global("boesfs_path_key", &path_key, true)
            .override_global("boesfs_rename_lock", &symbols.rename_lock, true)
            .override_global("boesfs_check_memos", &check_memos, true)
            .override_global("boesfs_setattr_has_idmap", &setattr_has_idmap, true)
            .map_max_entries("scratches", cpus * WORKS_PER_CPU)
            .map_max_entries("taken", cpus);
        if let Some(address) = &symbols.init_nsproxy {
            loader.override_global("boesfs_init_nsproxy", address, true);
        }
        for map in MAPS {
            loader.map_pin_path(map, self.directory.join(map));
        }
        loader.map_pin_path(".bss", self.directory.join(TALLY));
        let ebpf = loader.load(boesfs_ebpf::lsm_object())?;
        drop(loader);
        Ok(Loader { ebpf, btf })
    }

    /// Attaches what `hooks` names and is not attached yet. Returns the hooks that this kernel does not have. If one
    /// fails, none is attached more than before.
    pub(super) fn attach(&self, hooks: u64, known_absent: u64) -> Result<u64, LoadError> {
        let wanted: Vec<(usize, &Hook)> = HOOKS
            .iter()
            .enumerate()
            .filter(|(at, _)| (hooks & !known_absent) >> at & 1 == 1)
            .filter(|(_, hook)| !self.path("link", hook.program).exists())
            .collect();
        self.load(wanted.iter().map(|(_, hook)| *hook))?;
        let mut done = Vec::new();
        let mut absent = known_absent;
        for (at, hook) in wanted {
            match self.attach_one(hook) {
                Ok(true) => done.push(hook),
                Ok(false) => absent |= 1 << at,
                Err(error) => {
                    for hook in done {
                        let _ = std::fs::remove_file(self.path("link", hook.program));
                    }
                    return Err(error);
                }
            }
        }
        Ok(absent)
    }

    /// Attaches the programs of the seal.
    pub(super) fn attach_seal(&self) -> Result<(), LoadError> {
        self.load(SEAL.iter())?;
        SEAL.iter().try_for_each(|hook| self.attach_one(hook).map(drop))
    }

    /// Every program that is loaded.
    pub(super) fn loaded(&self) -> impl Iterator<Item = Result<OwnedFd, LoadError>> {
        let names = HOOKS.iter().chain(SEAL).map(|hook| hook.program).chain([RECORD]);
        names.map(|name| self.path("program", name)).filter(|path| path.exists()).map(|path| pinned(&path))
    }

    /// Loads all programs and gives the names of those that had none, but for those whose hook this kernel lacks and may
    /// lack.
    pub(super) fn load_all(&self) -> Result<Vec<&'static str>, LoadError> {
        self.load(HOOKS.iter().chain(SEAL))
    }

    /// The same for the programs of `hooks`.
    fn load(&self, hooks: impl Iterator<Item = &'static Hook>) -> Result<Vec<&'static str>, LoadError> {
        let missing: Vec<_> = hooks.filter(|hook| !self.path("program", hook.program).exists()).collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for (hook, program) in self.loader()?.load(&missing)? {
            self.pin(program.as_fd(), "program", hook.program)?;
            names.push(hook.program);
        }
        Ok(names)
    }

    /// Attaches the program of `hook`; `false` if it could not be loaded because this kernel has no such hook.
    fn attach_one(&self, hook: &'static Hook) -> Result<bool, LoadError> {
        let path = self.path("program", hook.program);
        if !path.exists() {
            return Ok(false);
        }
        let link = bpf::lsm_attach(pinned(&path)?.as_fd())
            .map_err(|source| LoadError::attach(hook.program, hook.hook, source))?;
        self.pin(link.as_fd(), "link", hook.program)?;
        Ok(true)
    }

    /// Detaches what is attached and not in `hooks`.
    pub(super) fn detach_all_but(&self, hooks: u64) {
        for (_, hook) in HOOKS.iter().enumerate().filter(|(at, _)| hooks >> at & 1 == 0) {
            // What is not attached has no name to be taken away.
            let _ = std::fs::remove_file(self.path("link", hook.program));
        }
    }

    fn pin(&self, object: std::os::fd::BorrowedFd<'_>, kind: &str, name: &str) -> Result<(), LoadError> {
        let path = self.path(kind, name);
        let pinned = sys::c_path(&path).and_then(|c_path| bpf::pin(object, &c_path));
        pinned.map_err(|source| LoadError::Pin { path, source })
    }
}

/// A program that was loaded, and for which hook.
type Loaded = (&'static Hook, OwnedFd);

impl Loader {
    /// Loads the programs of `hooks` side by side, for the kernel takes its time to verify each. Those whose hook this kernel
    /// lacks and may lack are passed over.
    fn load(&mut self, hooks: &[&'static Hook]) -> Result<Vec<Loaded>, LoadError> {
        let btf = &self.btf;
        let mut programs: HashMap<&str, &mut Program> = self.ebpf.programs_mut().collect();
        let mut program =
            |hook: &Hook| programs.remove(hook.program).expect("INVARIANT: the object has every program");
        let work: Vec<_> = hooks.iter().map(|hook| (*hook, program(hook))).collect();
        let others =
            thread::available_parallelism().map_or(1, NonZero::get).min(MOST_LOADERS).min(work.len()) - 1;
        let queue = Mutex::new(work.into_iter());
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let failed = AtomicBool::new(false);
        let work_off = || {
            let mut loaded = Vec::new();
            while let Some((hook, program)) = next().filter(|_| !failed.load(Ordering::Relaxed)) {
                match load_one(hook, program, btf) {
                    Ok(done) => loaded.extend(done.map(|program| (hook, program))),
                    Err(error) => {
                        failed.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
            Ok(loaded)
        };
        thread::scope(|scope| {
            // Where there can be no more threads, this one does what they would have done.
            let spawn = |_| thread::Builder::new().spawn_scoped(scope, work_off).ok();
            let others: Vec<_> = (0..others).map_while(spawn).collect();
            let mut loaded = vec![work_off()];
            let joined = "INVARIANT: who loads programs does not panic";
            loaded.extend(others.into_iter().map(|other| other.join().expect(joined)));
            let parts: Vec<Vec<Loaded>> = loaded.into_iter().collect::<Result<_, _>>()?;
            Ok(parts.into_iter().flatten().collect())
        })
    }
}

/// Loads the program of `hook`; `None` if this kernel has no such hook and need not have it.
fn load_one(hook: &'static Hook, program: &mut Program, btf: &Btf) -> Result<Option<OwnedFd>, LoadError> {
    let failed = |source| LoadError::program("load", hook.program, source);
    let program: &mut LsmProgram = program.try_into().map_err(failed)?;
    match program.load(hook.hook, btf) {
        Err(aya::programs::ProgramError::Btf(_)) if hook.optional => Ok(None),
        other => {
            other.map_err(failed)?;
            let fd = program.fd().map_err(failed)?;
            fd.as_fd().try_clone_to_owned().map(Some).map_err(|source| failed(source.into()))
        }
    }
}

fn pinned(path: &Path) -> Result<OwnedFd, LoadError> {
    let opened = sys::c_path(path).and_then(|c_path| bpf::pinned(&c_path));
    opened.map_err(|source: io::Error| LoadError::Pin { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use boesfs_abi::memory;

    const LRU_HASH: u32 = aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_LRU_HASH as u32;
    const RING: u32 = aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_RINGBUF as u32;

    #[test]
    fn the_memory_that_is_foretold_is_what_the_object_asks_for() {
        let object = aya_obj::Object::parse(boesfs_ebpf::lsm_object()).expect("an object");
        // Labels are counted by task, memos by directory and the others by sandbox; constants of the programs are a page or less.
        let by_sandbox = ["armed", "dirs", "labels", "long_dirs", "memos", "mounts", "seals"];
        let mut asked: Vec<(&str, usize, usize)> = object
            .maps
            .iter()
            .filter(|(name, _)| !by_sandbox.contains(&name.as_str()) && !name.starts_with('.'))
            .map(|(name, map)| {
                let of_maps =
                    map.map_type() == aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_ARRAY_OF_MAPS as u32;
                let element = if of_maps { 8 } else { map.value_size().next_multiple_of(8) };
                match map.map_type() {
                    // A hash keeps the keys too; a ring buffer has its bytes where others have their number.
                    LRU_HASH => {
                        (name.as_str(), (map.key_size() + element) as usize, map.max_entries() as usize)
                    }
                    RING => (name.as_str(), map.max_entries() as usize, 1),
                    _ => (name.as_str(), element as usize, map.max_entries() as usize),
                }
            })
            .collect();
        let mut foretold: Vec<(&str, usize, usize)> =
            memory::engine().iter().map(|map| (map.name, map.element, map.elements)).collect();
        asked.sort_unstable();
        foretold.sort_unstable();
        assert_eq!(asked, foretold);
    }

    #[test]
    fn the_tally_is_as_large_as_the_kernel_gives_it() {
        let object = aya_obj::Object::parse(boesfs_ebpf::lsm_object()).expect("an object");
        assert_eq!(object.maps[".bss"].value_size() as usize, TALLY_BYTES);
    }

    #[test]
    fn every_map_of_the_object_is_pinned() {
        let object = aya_obj::Object::parse(boesfs_ebpf::lsm_object()).expect("an object");
        let mut names: Vec<_> = object.maps.keys().filter(|name| !name.starts_with('.')).collect();
        names.sort_unstable();
        assert_eq!(names, MAPS);
    }

    #[test]
    fn a_policy_is_as_large_in_the_object_as_in_the_kernel() {
        let object = aya_obj::Object::parse(boesfs_ebpf::lsm_object()).expect("an object");
        let names = ["policies_small", "policies_medium", "policies_large", "policies_huge"];
        for (name, size) in names.into_iter().zip(boesfs_ebpf::SizeClass::ALL) {
            let inner = object.maps[name].inner().expect("an array of maps");
            assert_eq!(inner.value_size() as usize, size.bytes() + boesfs_ebpf::SLACK);
        }
    }
}
