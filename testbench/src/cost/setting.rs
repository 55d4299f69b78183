//! What a process can do to itself, or to the machine, before it measures.

use std::path::Path;

use anyhow::Context as _;
use aya::programs::Lsm;
use aya::programs::lsm::LsmLink;
use aya::{Btf, EbpfLoader};
use boesfs_abi::hooks::HOOKS;
use boesfs_abi::image::decode;
use landlock::{
    ABI, Access as _, AccessFs, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus,
    path_beneath_rules,
};

/// Attaches a program that does nothing wherever the policy in `image` has one, as long as what is returned is held.
///
/// # Errors
/// If the image or a program is refused.
pub fn attach_empty(image: &Path) -> anyhow::Result<Vec<LsmLink>> {
    let bytes = std::fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    let image = decode(&bytes)?;
    let btf = Btf::from_sys_fs()?;
    let mut links = Vec::new();
    for hook in HOOKS.iter().filter(|hook| hook.needed(&image)) {
        // A program is loaded for one hook.
        let mut ebpf = EbpfLoader::new().btf(Some(&btf)).load(boesfs_ebpf::empty_object())?;
        let program: &mut Lsm =
            ebpf.program_mut("boesfs_empty").context("the object has no program")?.try_into()?;
        match program.load(hook.hook, &btf) {
            Err(_) if hook.optional => continue,
            other => other.with_context(|| format!("cannot load at {}", hook.hook))?,
        }
        let link = program.attach().with_context(|| format!("cannot attach at {}", hook.hook))?;
        links.push(program.take_link(link)?);
    }
    Ok(links)
}

/// Puts this process into one Landlock layer that allows everything below `dir` and nothing else.
///
/// # Errors
/// If the kernel has no Landlock.
pub fn enter_landlock(dir: &Path) -> anyhow::Result<()> {
    let all = AccessFs::from_all(ABI::V5);
    let status = Ruleset::default()
        .handle_access(all)?
        .create()?
        .add_rules(path_beneath_rules([dir], all))?
        .restrict_self()?;
    anyhow::ensure!(status.ruleset != RulesetStatus::NotEnforced, "the kernel does not enforce Landlock");
    Ok(())
}

/// Puts this process under the filter that every sandbox has, and under nothing else.
///
/// # Errors
/// If the kernel refuses it.
pub fn enter_filter() -> anyhow::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    Ok(boesfs_runtime::sandbox::seccomp::install(boesfs_runtime::sandbox::plan::Watches::Open)?)
}
