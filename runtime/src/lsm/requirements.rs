//! What the lsm plane needs of a kernel and its caller, looked at before anything is made: each lack has its own words.

use std::fs;

/// The first kernel that has every hook, helper and map the programs rest on.
const OLDEST: (u32, u32) = (6, 1);

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lack {
    /// The kernel is of before the programs' time.
    #[error("the kernel is {0}, and the lsm plane needs {oldest} or a later one", oldest = format_args!("{}.{}", OLDEST.0, OLDEST.1))]
    TooOld(String),
    /// The kernel cannot run BPF LSM programs at all.
    #[error("the kernel is built without BPF LSM: it needs CONFIG_BPF_LSM")]
    NoBpfLsm,
    /// It could, and was not told to.
    #[error("`bpf` is not among the active security modules ({0}): boot with lsm=…,bpf")]
    Inactive(String),
    /// The caller may load no programs.
    #[error("needs root")]
    NotRoot,
}

/// A kernel and a caller, as far as the plane asks of them.
#[derive(Clone, Debug)]
struct Host {
    /// The kernel's release.
    release: String,
    /// The active security modules; `None` where securityfs is not mounted.
    active: Option<String>,
    /// Whether the kernel has the functions that BPF LSM programs stand at; `None` if it hides its symbols.
    has_hooks: Option<bool>,
    is_root: bool,
}

impl Host {
    fn here() -> Self {
        let active = fs::read_to_string("/sys/kernel/security/lsm").ok();
        let is_listed = active.as_deref().is_some_and(lists_bpf);
        Self {
            release: nix::sys::utsname::uname()
                .map_or_else(|_| String::new(), |name| name.release().to_string_lossy().into_owned()),
            active: active.map(|list| list.trim().to_owned()),
            // A kernel that runs them has them, and its symbols are many.
            has_hooks: if is_listed { Some(true) } else { has_hooks() },
            is_root: nix::unistd::geteuid().is_root(),
        }
    }

    fn check(&self) -> Result<(), Lack> {
        if series(&self.release).is_some_and(|series| series < OLDEST) {
            return Err(Lack::TooOld(self.release.clone()));
        }
        match (&self.active, self.has_hooks) {
            (_, Some(false)) => return Err(Lack::NoBpfLsm),
            (Some(list), _) if !lists_bpf(list) => return Err(Lack::Inactive(list.clone())),
            // Where the list cannot be read, loading and the canary tell.
            _ => {}
        }
        if self.is_root { Ok(()) } else { Err(Lack::NotRoot) }
    }
}

/// Looks whether the plane can be had here, as far as that can be told without making anything.
pub(super) fn check() -> Result<(), Lack> {
    Host::here().check()
}

fn lists_bpf(list: &str) -> bool {
    list.trim().split(',').any(|name| name == "bpf")
}

fn has_hooks() -> Option<bool> {
    let symbols = fs::read_to_string("/proc/kallsyms").ok().filter(|symbols| !symbols.is_empty())?;
    Some(symbols.lines().any(|line| line.ends_with(" bpf_lsm_file_open")))
}

/// The first two numbers of a kernel's release.
fn series(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|other: char| !other.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lack_has_its_own_words() {
        let good = Host {
            release: "6.1.0-13-cloud-amd64".into(),
            active: Some("lockdown,landlock,bpf".into()),
            has_hooks: Some(true),
            is_root: true,
        };
        assert_eq!(good.check(), Ok(()));
        let newer = Host { release: "10.0-rc1".into(), active: None, has_hooks: None, ..good.clone() };
        assert_eq!(newer.check(), Ok(()));
        for release in ["5.15.0-91-generic", "6.0.19", "4.11.0", "2.6.61"] {
            let old = Host { release: release.into(), ..good.clone() };
            let words = format!("the kernel is {release}, and the lsm plane needs 6.1 or a later one");
            assert_eq!(old.check().unwrap_err().to_string(), words);
        }
        let inactive = Some("lockdown,apparmor,bpfish".to_owned());
        for (host, words) in [
            (Host { has_hooks: Some(false), active: inactive.clone(), ..good.clone() }, "CONFIG_BPF_LSM"),
            (Host { has_hooks: Some(false), active: None, ..good.clone() }, "CONFIG_BPF_LSM"),
            (Host { active: inactive.clone(), ..good.clone() }, "boot with lsm=…,bpf"),
            (Host { active: inactive, has_hooks: None, ..good.clone() }, "(lockdown,apparmor,bpfish)"),
            (Host { is_root: false, ..good }, "needs root"),
        ] {
            let said = host.check().unwrap_err().to_string();
            assert!(said.contains(words), "{host:?}: {said}");
        }
    }
}
