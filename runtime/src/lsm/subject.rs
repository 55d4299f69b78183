//! Subjects of a sandbox: classes for the programs in its root, and names for classes in events.

use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use boesfs_abi::image::ClassId;
use boesfs_abi::layout::NO_CLASS;
use boesfs_abi::map::{CALL_PATH, Program};
use boesfs_abi::subjects::ResolvedSubjects;

use crate::plane::Setup;

/// Programs that the subjects of a policy name, and their classes.
#[derive(Debug, Default)]
pub(super) struct Programs(pub(super) Vec<(Program, Vec<u8>)>);

/// The classes of a sandbox's programs.
pub(super) struct Subjects {
    /// For the kernel, when programs change class at exec.
    pub(super) programs: Programs,
    /// The class the command starts in.
    pub(super) entry: ClassId,
    /// The class of programs that are not named.
    pub(super) other: ClassId,
    /// For events.
    pub(super) names: ClassNames,
}

/// What programs are called in events.
pub(super) enum ClassNames {
    /// One name for all: the command's.
    Entry(Vec<u8>),
    /// The program that runs, as long as it does and is of the class that was judged; else a name of that class; else
    /// nothing.
    Running(Vec<(u32, Vec<u8>)>, Option<ResolvedSubjects>),
}

impl ClassNames {
    /// The subject of an event of process `pid` in `class`.
    pub(super) fn of(&self, class: u32, pid: u32) -> Vec<u8> {
        match self {
            Self::Entry(name) => name.clone(),
            Self::Running(names, resolved) => {
                // By now it may run another one, or the number be another process's.
                let of_class = |path: &[u8]| {
                    let now = resolved.as_ref().map(|resolved| resolved.class_of(path).0);
                    class == NO_CLASS || now.is_none_or(|now| now == class)
                };
                match std::fs::read_link(format!("/proc/{pid}/exe"))
                    .map(|path| path.into_os_string().into_vec())
                {
                    Ok(path) if of_class(&path) => path,
                    Ok(_) | Err(_) => names
                        .iter()
                        .find(|(of, _)| *of == class)
                        .map_or_else(Vec::new, |(_, name)| name.clone()),
                }
            }
        }
    }
}

impl Subjects {
    /// The subjects of the sandbox that `setup` describes.
    pub(super) fn of(setup: &Setup) -> Self {
        if setup.image.entry_subject() {
            let class = setup.image.class_of(&setup.entry.named, Some(setup.name.as_bytes()));
            return Self {
                programs: Programs::default(),
                entry: class,
                other: class,
                names: ClassNames::Entry(setup.entry.named.clone()),
            };
        }
        let resolved = &setup.subjects;
        let entry = match &setup.entry.path {
            Some(path) => resolved.class_of(path.as_os_str().as_bytes()),
            None => resolved.other,
        };
        // A name in the class of programs that no rule tells apart would say nothing of who it was.
        let told_apart =
            resolved.by_path.iter().chain(&resolved.by_name).filter(|(_, class)| *class != resolved.other);
        let names = told_apart.map(|(text, class)| (class.0, text.clone()));
        Self {
            entry,
            other: resolved.other,
            names: ClassNames::Running(names.collect(), Some(resolved.clone())),
            programs: programs(resolved),
        }
    }
}

fn programs(resolved: &ResolvedSubjects) -> Programs {
    let paths = resolved.by_path.iter().map(|program| (0, program));
    let names = resolved.by_name.iter().map(|program| (1, program));
    let row = |(is_name, (text, class)): (u32, &(Vec<u8>, ClassId))| {
        let program = Program { class: class.0, len: text.len() as u32, is_name, reserved: 0 };
        (program, text.clone())
    };
    // Longer ones name nothing that can run.
    Programs(paths.chain(names).filter(|(_, (text, _))| text.len() < CALL_PATH as usize).map(row).collect())
}
