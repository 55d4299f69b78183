//! What the lsm plane costs, by counting instructions in virtual machines: operations and whole jobs, with and without
//! it, and beside other security modules.

mod jobs;
mod policy;
mod report;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::policy::Forbids;
use super::BenchError;
use super::machine::Machine;
use crate::binaries;
use crate::process;
use crate::vm::{self, Clock, Job, KernelChoice};
use crate::workspace::Workspace;

/// Names in the paths that are measured.
const DEPTHS: [usize; 4] = [1, 8, 30, 100];
/// The depth that bars are meant at.
const DEPTH: usize = 8;
const RULES: [usize; 3] = [10, 10_000, 1_000_000];
/// Operations whose cost depends on how deep a path is; the others are measured at one depth.
const DEEP: &str = "open,open-each,open-cold,open-denied,stat";
/// Operations that can be measured where what is denied is hidden.
const SHOWN: &str = "open,open-each,open-cold,open-colder,open-moved,stat,read,write,create,rename,exec,list";
/// Operations whose cost is measured under policies of every size.
const SIZED: &str = "open,open-each,open-cold,stat,read,write";
const TIMEOUT: Duration = Duration::from_secs(7200);

/// What is measured, for a quick look.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Kernels; both if none.
    pub kernels: Vec<KernelChoice>,
    /// Operations, as the testbench calls them; all if none.
    pub operations: Vec<String>,
    /// Depths; all if none.
    pub depths: Vec<usize>,
    /// Settings, as the script in the guest calls them, with `use-10` and the like for policies; all if none.
    pub settings: Vec<String>,
    /// Whether the project's programs are taken as they were last built.
    pub built: bool,
    /// Whether less than all goes to `docs/bench`, too, in place of the same that was measured before.
    pub kept: bool,
}

impl Choice {
    /// Whether all there is of the kernels is measured.
    fn is_everything(&self) -> bool {
        self.operations.is_empty() && self.depths.is_empty() && self.settings.is_empty()
    }
}

/// One result: what the testbench prints, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cost {
    /// Operation or job.
    pub(super) what: String,
    pub(super) depth: usize,
    /// Instructions of each run.
    pub(super) samples: Vec<f64>,
    /// After how many batches runs were alike.
    pub(super) settled: Option<usize>,
}

/// The results of one setting on one kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Setting {
    pub(super) kernel: String,
    pub(super) name: String,
    pub(super) costs: Vec<Cost>,
}

/// One machine's work: settings that are measured for the same operations.
struct Part {
    operations: String,
    depths: String,
    settings: Vec<String>,
}

/// Among operations: whole jobs.
const JOBS: &str = "jobs";

/// What is measured besides whole jobs: the part that comes after those, and those before.
fn parts() -> (Part, Vec<Part>) {
    let every = |list: &[usize]| list.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    let part = |operations: &str, depths: &[usize], settings: &[&str]| Part {
        operations: operations.to_owned(),
        depths: every(depths),
        settings: names(settings),
    };
    let sized: Vec<String> = RULES[1..].iter().map(|rules| format!("confined:use-{rules}")).collect();
    let sized: Vec<&str> = sized.iter().map(String::as_str).collect();
    let settings = ["baseline", "filter", "empty:use-10", "free:use-10", "confined:use-10", "landlock"];
    let others: Vec<usize> = DEPTHS.into_iter().filter(|depth| *depth != DEPTH).collect();
    let parts = vec![
        part("", &[DEPTH], &settings),
        part(SIZED, &[DEPTH], &sized),
        part("read,write", &[DEPTH], &["empty:lengths-10", "confined:lengths-10"]),
        part(SHOWN, &[DEPTH], &["elsewhere:use-10", "empty:everything-10", "confined:everything-10"]),
    ];
    (part(DEEP, &others, &settings), parts)
}

/// Measures what `choice` says. All of a kernel goes to `docs/bench`, in place of what was measured of it before; less to the
/// standard output, and to `docs/bench` only if it is to be kept.
///
/// # Errors
/// [`BenchError`]
pub fn run(workspace: &Workspace, choice: &Choice) -> Result<(), BenchError> {
    if !choice.built {
        binaries::build(workspace)?;
    }
    let folder = tempfile::tempdir()?;
    let kernels =
        if choice.kernels.is_empty() { KernelChoice::BOTH.to_vec() } else { choice.kernels.clone() };
    if !choice.is_everything() {
        let (jobs, operations): (Vec<_>, Vec<_>) =
            choice.operations.iter().cloned().partition(|operation| operation == JOBS);
        for kernel in &kernels {
            let mut found = Vec::new();
            if !operations.is_empty() || jobs.is_empty() {
                let choice = Choice { operations: operations.clone(), ..choice.clone() };
                found = measure(workspace, folder.path(), kernel, &chosen(&choice))?;
            }
            if !jobs.is_empty() {
                found.extend(jobs::measure(workspace, folder.path(), kernel, &choice.settings)?);
            }
            for setting in &found {
                print!("{}", report::lines(setting));
            }
            if choice.kept {
                Page::of(workspace)?.replace(found)?;
            }
        }
        return Ok(());
    }
    let mut page = Page::of(workspace)?;
    for kernel in &kernels {
        page.settings.retain(|setting| setting.kernel != kernel.name());
        let (last, parts) = parts();
        for part in &parts {
            page.add(measure(workspace, folder.path(), kernel, part)?)?;
        }
        page.add(jobs::measure(workspace, folder.path(), kernel, &[])?)?;
        page.add(measure(workspace, folder.path(), kernel, &last)?)?;
    }
    Ok(())
}

/// What has been measured, in `docs/bench`: written part by part, for all of them take hours.
struct Page {
    folder: PathBuf,
    machine: Machine,
    settings: Vec<Setting>,
}

impl Page {
    fn of(workspace: &Workspace) -> Result<Self, BenchError> {
        let folder = workspace.root.join("docs/bench");
        std::fs::create_dir_all(&folder)?;
        let settings = report::read(&folder.join("lsm.json"))?;
        Ok(Self { folder, machine: Machine::here(), settings })
    }

    /// Takes `settings` in place of what is known of the same operations at the same depths.
    fn replace(&mut self, settings: Vec<Setting>) -> Result<(), BenchError> {
        let mut new = Vec::new();
        for mut setting in settings {
            let of = |old: &&mut Setting| old.kernel == setting.kernel && old.name == setting.name;
            setting.costs.retain(|cost| {
                let same = |old: &&mut Cost| old.what == cost.what && old.depth == cost.depth;
                match self.settings.iter_mut().filter(of).find_map(|old| old.costs.iter_mut().find(same)) {
                    Some(old) => {
                        *old = cost.clone();
                        false
                    }
                    None => true,
                }
            });
            if !setting.costs.is_empty() {
                new.push(setting);
            }
        }
        self.add(new)
    }

    fn add(&mut self, settings: Vec<Setting>) -> Result<(), BenchError> {
        self.settings.extend(settings);
        self.settings.sort_by(|a, b| a.kernel.cmp(&b.kernel));
        std::fs::write(self.folder.join("lsm.json"), report::json(&self.machine, &self.settings)?)?;
        std::fs::write(self.folder.join("lsm.md"), report::markdown(&self.machine, &self.settings))?;
        Ok(())
    }
}

fn chosen(choice: &Choice) -> Part {
    let depths: Vec<String> = choice.depths.iter().map(usize::to_string).collect();
    let settings = if choice.settings.is_empty() {
        ["baseline", "empty:use-10", "confined:use-10"].map(str::to_owned).to_vec()
    } else {
        choice.settings.clone()
    };
    Part {
        operations: choice.operations.join(","),
        depths: if depths.is_empty() { DEPTH.to_string() } else { depths.join(",") },
        settings,
    }
}

fn measure(
    workspace: &Workspace,
    folder: &Path,
    kernel: &KernelChoice,
    part: &Part,
) -> Result<Vec<Setting>, BenchError> {
    let mut command =
        vec!["sh".to_owned(), "guest.sh".to_owned(), part.operations.clone(), part.depths.clone()];
    let mut add = vec![folder.join("guest.sh")];
    std::fs::write(&add[0], include_str!("guest.sh"))?;
    for setting in &part.settings {
        command.push(match setting.split_once(':') {
            Some((how, policy)) => {
                let image = image(workspace, folder, policy)?;
                let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if !add.contains(&image) {
                    add.push(image);
                }
                format!("{how}:{name}")
            }
            None => setting.clone(),
        });
    }
    in_guest(workspace, kernel, add, folder, command)
}

/// The image of the policy called `name`: what it forbids and how many rules it has.
fn image(workspace: &Workspace, folder: &Path, name: &str) -> Result<PathBuf, BenchError> {
    let image = folder.join(format!("{name}.bin"));
    if image.exists() {
        return Ok(image);
    }
    let unknown = || BenchError::File(std::io::Error::other(format!("no policy is called `{name}`")));
    let (forbids, rules) = name.split_once('-').ok_or_else(unknown)?;
    let forbids = Forbids::ALL.into_iter().find(|kind| kind.name() == forbids).ok_or_else(unknown)?;
    let rules = rules.parse().map_err(|_| unknown())?;
    let source = folder.join(format!("{name}.conf"));
    std::fs::write(&source, policy::text(forbids, rules, &DEPTHS))?;
    let mut build = Command::new(binaries::path(workspace, "boesfsc"));
    build.arg("build").arg(&source).arg("--strip").arg("-o").arg(&image);
    process::capture(&mut build)?;
    Ok(image)
}

/// Runs `command` in a machine that counts, and reads what it prints.
fn in_guest(
    workspace: &Workspace,
    kernel: &KernelChoice,
    mut add: Vec<PathBuf>,
    folder: &Path,
    command: Vec<String>,
) -> Result<Vec<Setting>, BenchError> {
    add.push(folder.join("idle.sh"));
    std::fs::write(folder.join("idle.sh"), include_str!("idle.sh"))?;
    let job = Job {
        kernel: kernel.clone(),
        add,
        binaries: binaries::built(workspace),
        traits: vm::Traits { clock: Clock::Instructions, ..Default::default() },
        timeout: TIMEOUT,
        command,
    };
    let mut output = Vec::new();
    let status = vm::run(workspace, &job, &mut output, &mut std::io::stderr())?;
    let output = String::from_utf8_lossy(&output).into_owned();
    if status != 0 {
        return Err(BenchError::Guest { status, output });
    }
    settings(&kernel.name(), &output)
}

fn settings(kernel: &str, output: &str) -> Result<Vec<Setting>, BenchError> {
    let mut settings: Vec<Setting> = Vec::new();
    for line in output.lines() {
        if let Some(name) = line.strip_prefix("setting ") {
            let name = name.trim_end_matches(".bin").to_owned();
            settings.push(Setting { kernel: kernel.to_owned(), name, costs: Vec::new() });
        } else if let Some(setting) = settings.last_mut() {
            setting.costs.push(serde_json::from_str(line)?);
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_belong_to_the_setting_above_them() {
        let output = "setting baseline\n{\"what\":\"open\",\"depth\":8,\"samples\":[1.5],\"settled\":null}\n\
                      setting confined:use-10.bin\n";
        let read = settings("6.1", output).expect("two settings");
        assert_eq!(read[0].costs[0].samples, [1.5]);
        assert_eq!(read[1].name, "confined:use-10");
        assert!(read[1].costs.is_empty());
    }
}
