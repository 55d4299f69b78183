//! How much the kernel's verifier has to look at, program by program: for tests.

use std::collections::BTreeMap;
use std::path::Path;

use aya::programs::ProgramInfo;

use super::error::LoadError;
use super::hooks::{self, Programs, RECORD};
use super::{failed, pins, requirements};
use crate::plane::EngineError;

/// How many instructions the verifier looks at for each program of the lsm plane, by its name. Hooks that this kernel
/// lacks are left out. Loads every program, attaches none, and leaves nothing.
///
/// # Errors
/// If the kernel refuses a program, or has no lsm plane.
pub fn counts() -> Result<BTreeMap<String, u32>, EngineError> {
    requirements::check().map_err(failed)?;
    pins::check_bpffs().map_err(failed)?;
    let directory = Path::new(pins::BPFFS).join(format!("boesfs-verified-{}", std::process::id()));
    std::fs::create_dir(&directory).map_err(failed)?;
    let counts = load_all(&directory);
    pins::destroy(&directory);
    counts.map_err(failed)
}

fn load_all(directory: &Path) -> Result<BTreeMap<String, u32>, LoadError> {
    let programs = Programs::new(directory, hooks::own_namespace()?);
    programs.create()?;
    let names = [RECORD].into_iter().chain(programs.load_all()?);
    let count = |name: &'static str| {
        let info = ProgramInfo::from_pin(programs.path("program", name));
        let info = info.map_err(|source| LoadError::program("look at", name, source))?;
        Ok((name.to_owned(), info.verified_instruction_count().unwrap_or(0)))
    };
    names.map(count).collect()
}
