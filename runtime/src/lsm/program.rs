//! The `bpf` engine: the kernel's own decision code, run on one request at a time by BPF_PROG_RUN.
//!
//! It needs no LSM, only the right to load programs, and so proves on nearly any kernel that what the verifier passed
//! decides as the policy says.

use std::collections::HashSet;
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use aya::maps::MapData;
use aya_obj::Object;
use boesfs_abi::image::ValidImage;
use boesfs_abi::map::{CALL_PATH, CALL_TEXT, Call};
use boesfs_ebpf::{SLACK, SizeClass};

use super::wire::{Wire as _, field};
use crate::sys::bpf::{self, SyscallProgram};

/// Why the engine cannot be had, or cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// The blob is larger than any object takes.
    #[error("the policy's blob has {0} bytes, more than {max}", max = SizeClass::Huge.bytes())]
    TooLarge(usize),
    /// The object, its type information or its maps were refused.
    #[error("cannot load {what}: {reason}")]
    Load {
        /// What.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// The program was refused, or cannot be run.
    #[error("cannot {action} the program: {source}")]
    Program {
        /// What was to be done.
        action: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The path or text is too long, or the policy is not one.
    #[error("the policy or the request is not one the program can use")]
    Unusable,
}

fn refused(what: &'static str, reason: impl ToString) -> ProgramError {
    ProgramError::Load { what, reason: reason.to_string() }
}

/// A program of type `syscall` in the kernel, and its maps.
pub struct BpfProgram {
    program: OwnedFd,
    maps: Vec<(String, MapData)>,
}

impl BpfProgram {
    /// Loads the program `name` of `object`.
    ///
    /// # Errors
    /// If the kernel refuses something, or there is no such program.
    pub fn load(object: &[u8], name: &str) -> Result<Self, ProgramError> {
        let mut object = Object::parse(object).map_err(|error| refused("the object", error))?;
        let features = aya::features();
        let btf = features.btf().ok_or_else(|| refused("type information", "the kernel has none"))?;
        let btf = object
            .fixup_and_sanitize_btf(btf)
            .map_err(|error| refused("type information", error))?
            .ok_or_else(|| refused("type information", "the object has none"))?;
        let btf = bpf::btf_load(&btf.to_bytes()).map_err(|error| refused("type information", error))?;
        let mut maps = Vec::new();
        for (name, map) in object.maps.drain().collect::<Vec<_>>() {
            let made = MapData::create(map.clone(), &name, Some(btf.as_fd()))
                .map_err(|error| refused("a map", error))?;
            maps.push((name, map, made));
        }
        let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        let places = maps.iter().map(|(name, map, made)| (name.as_str(), made.fd().as_fd().as_raw_fd(), map));
        object.relocate_maps(places, &sections).map_err(|error| refused("the object", error))?;
        object.relocate_calls(&sections).map_err(|error| refused("the object", error))?;
        object.sanitize_functions(features);
        let program = object
            .programs
            .get(name)
            .and_then(|program| object.functions.get(&program.function_key()))
            .ok_or_else(|| refused("the object", "it has no program"))?;
        let instructions: Vec<u8> = program
            .instructions
            .iter()
            .flat_map(|ins| {
                let [off_low, off_high] = ins.off.to_ne_bytes();
                let [a, b, c, d] = ins.imm.to_ne_bytes();
                [ins.code, ins.dst_reg() | ins.src_reg() << 4, off_low, off_high, a, b, c, d]
            })
            .collect();
        let program = bpf::syscall_program_load(&SyscallProgram {
            instructions: &instructions,
            btf: btf.as_fd(),
            functions: &program.func_info.func_info_bytes(),
            function_len: program.func_info_rec_size as u32,
        })
        .map_err(|source| ProgramError::Program { action: "load", source })?;
        Ok(Self { program, maps: maps.into_iter().map(|(name, _, made)| (name, made)).collect() })
    }

    fn map(&self, name: &str) -> Result<&MapData, ProgramError> {
        let found = self.maps.iter().find(|(have, _)| have == name);
        found.map(|(_, map)| map).ok_or_else(|| refused("a map", format!("there is no `{name}`")))
    }

    /// Sets element `index` of the array `map`. The value has to have the length of its elements.
    ///
    /// # Errors
    /// If there is no such element.
    pub fn set(&self, map: &str, index: u32, value: &[u8]) -> Result<(), ProgramError> {
        bpf::map_update(self.map(map)?.fd().as_fd(), &index.to_ne_bytes(), value)
            .map_err(|error| refused("an element", error))
    }

    /// Runs the program on `context`, which it may change; what it returns.
    ///
    /// # Errors
    /// If it cannot be run.
    pub fn run(&self, context: &mut [u8]) -> Result<u32, ProgramError> {
        bpf::program_run(self.program.as_fd(), context)
            .map_err(|source| ProgramError::Program { action: "run", source })
    }
}

/// A policy in the kernel, to be asked.
pub struct BpfPolicy {
    program: BpfProgram,
    size: SizeClass,
}

impl BpfPolicy {
    /// Loads the policy of `image`.
    ///
    /// # Errors
    /// If the kernel refuses something.
    pub fn load(image: &ValidImage) -> Result<Self, ProgramError> {
        let blob = image.blob();
        let size = SizeClass::of(blob).ok_or(ProgramError::TooLarge(blob.len()))?;
        let program = BpfProgram::load(size.decide_object(), "boesfs_decide_prog")?;
        let mut policy = Self { program, size };
        policy.refill(image)?;
        Ok(policy)
    }

    /// Puts the policy of `image` in place of the one that is loaded, if it is of the same size class.
    ///
    /// # Errors
    /// If it is of another class, or the kernel refuses something.
    pub fn refill(&mut self, image: &ValidImage) -> Result<(), ProgramError> {
        let blob = image.blob();
        if SizeClass::of(blob) != Some(self.size) {
            return Err(refused("the policy", "it is of another size class"));
        }
        let mut value = vec![0; self.size.bytes() + SLACK];
        value[..blob.len()].copy_from_slice(blob);
        self.program.set("blob", 0, &value)
    }

    /// Decides `call` about `path` and fills in the answer.
    ///
    /// # Errors
    /// [`ProgramError::Unusable`] if the path is too long; if the program cannot be run.
    pub fn decide(&self, mut call: Call, path: &[u8]) -> Result<Call, ProgramError> {
        let answer = self.run(&call, path)?;
        call.path_len = path.len() as u32;
        call.label = field!(answer, Call.label: u32);
        call.deny = field!(answer, Call.deny: u32);
        call.cell = field!(answer, Call.cell: u32);
        call.entry = field!(answer, Call.entry: u32);
        call.reason = field!(answer, Call.reason: u32);
        call.error = field!(answer, Call.error: u32);
        call.report = field!(answer, Call.report: u32);
        Ok(call)
    }

    /// The class of a path or text argument.
    ///
    /// # Errors
    /// As [`BpfPolicy::decide`].
    pub fn text_class(&self, text: &[u8]) -> Result<u32, ProgramError> {
        let answer = self.run(&Call { never: CALL_TEXT, ..Call::default() }, text)?;
        Ok(field!(answer, Call.label: u32))
    }

    fn run(&self, call: &Call, path: &[u8]) -> Result<Vec<u8>, ProgramError> {
        let head = size_of::<Call>();
        let mut context = vec![0; head + CALL_PATH as usize];
        context[..head].copy_from_slice(&Call { path_len: path.len() as u32, ..*call }.to_bytes());
        for (place, value) in call.value.iter().enumerate() {
            context[offset_of!(Call, value) + place * 8..][..8].copy_from_slice(&value.to_ne_bytes());
        }
        context.get_mut(head..head + path.len()).ok_or(ProgramError::Unusable)?.copy_from_slice(path);
        match self.program.run(&mut context)? {
            0 => Ok(context),
            _ => Err(ProgramError::Unusable),
        }
    }
}
