//! `boesfs ps`, `reload`, `kill`, `rm` and `gc`: what is done with sandboxes that are there.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::cli::{Format, KillArgs, Outside, PsArgs, ReloadArgs, RmArgs};
use crate::events::{escape, visible};
use crate::lsm::Strictness;
use crate::lsm::control::{self, Cleared, Status};
use crate::plane::{Entry, Folding, Plane, Seal, Setup, Told};
use crate::run::{Refusal, complain, print, warn};
use crate::sandbox::root::Root;
use crate::tenants::{self, Found, Tenant};
use crate::{policy, trust};

/// The exit status for what could not be done.
const FAILED: u8 = 1;

fn status_of(result: Result<(), Refusal>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(refusal) => complain(&refusal, FAILED),
    }
}

/// Refuses who could be told of no sandbox, not even of his own.
fn listed() -> Result<(), Refusal> {
    if tenants::can_list() {
        Ok(())
    } else {
        Err(Refusal::new(
            "only root has a list of sandboxes: another user's are in none, and each ends with its `boesfs run`",
        ))
    }
}

/// The sandbox called `name`, running or not.
fn find(name: &str) -> Result<Found, Refusal> {
    listed()?;
    let found = tenants::find(name).map_err(Refusal::new)?;
    found.ok_or_else(|| Refusal::new(format_args!("there is no sandbox called `{name}`")))
}

fn find_running(name: &str) -> Result<Found, Refusal> {
    let found = find(name)?;
    if found.runs() {
        Ok(found)
    } else {
        Err(Refusal::new(format_args!("the sandbox called `{name}` is gone: boesfs rm {name}")))
    }
}

/// A line of `ps`.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    plane: Plane,
    pid: u32,
    state: &'static str,
    policy: String,
    generation: Option<u64>,
    denials: Option<u64>,
    dropped: Option<u64>,
    folded: Option<u64>,
    sharing: Option<u64>,
    dir: String,
    command: String,
}

/// Lists the sandboxes; the exit status.
#[must_use]
pub fn ps(args: &PsArgs) -> u8 {
    match listed().and_then(|()| tenants::all().map_err(Refusal::new)) {
        Ok(found) => print_list(&found, args.format),
        Err(refusal) => complain(&refusal, FAILED),
    }
}

fn print_list(found: &[Found], format: Format) -> u8 {
    let places: Vec<_> = found.iter().map(|found| found.tenant.engine.as_ref()).collect();
    let rows: Vec<Row> =
        found.iter().zip(control::status(&places)).map(|(found, status)| row(found, status)).collect();
    match format {
        Format::Human => print(&table(&rows)),
        Format::Json => {
            let object = serde_json::json!({ "version": 1, "sandboxes": rows });
            print(&format!("{object:#}\n"))
        }
    }
}

fn row(found: &Found, status: Option<Status>) -> Row {
    let Tenant { name, plane, pid, dir, command, policy, .. } = &found.tenant;
    Row {
        name: name.clone(),
        plane: (*plane).into(),
        pid: *pid,
        state: if found.runs() { "running" } else { "gone" },
        policy: status.map_or_else(|| policy.clone(), |status| status.policy_hex()),
        generation: status.map(|status| status.generation),
        denials: status.map(|status| status.denials),
        dropped: status.map(|status| status.dropped),
        folded: status.map(|status| status.folded),
        sharing: status.map(|status| status.sharing),
        dir: escape(dir.as_os_str().as_encoded_bytes()),
        command: escape(command),
    }
}

fn table(rows: &[Row]) -> String {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let head = ["NAME", "PLANE", "PID", "STATE", "POLICY", "GENERATION", "DENIALS", "DROPPED", "COMMAND"];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        [
            visible(&escape(row.name.as_bytes())),
            row.plane.to_string(),
            row.pid.to_string(),
            row.state.to_owned(),
            row.policy.chars().take(12).collect(),
            number(row.generation),
            number(row.denials),
            number(row.dropped),
            visible(&row.command),
        ]
    }));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 9] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let mut cells = String::new();
        for (cell, width) in line.iter().zip(widths) {
            write!(cells, "{cell:<width$}  ").expect("INVARIANT: writing to a string cannot fail");
        }
        text.push_str(cells.trim_end());
        text.push('\n');
    }
    text
}

/// Gives a sandbox another policy; the exit status.
#[must_use]
pub fn reload(args: &ReloadArgs) -> u8 {
    match try_reload(args) {
        Ok(generation) => print(&format!("generation {generation}\n")),
        Err(refusal) => complain(&refusal, FAILED),
    }
}

fn try_reload(args: &ReloadArgs) -> Result<u64, Refusal> {
    let found = find_running(&args.name)?;
    let Tenant { name, plane, dir, root, command, .. } = &found.tenant;
    if Plane::from(*plane) != Plane::Lsm {
        return Err(Refusal::new(format_args!(
            "the sandbox called `{name}` is on the fuse plane, which keeps the policy it was started with"
        )));
    }
    let (image, file) = policy::read(&args.policy).map_err(Refusal::new)?;
    let vouched = match args.trust.as_slice() {
        [] => None,
        keys => {
            let keys = trust::keys(keys).map_err(Refusal::new)?;
            Some(trust::vouched(&image, &keys).map_err(Refusal::new)?)
        }
    };
    if args.outside == Outside::Refuse {
        policy::check_outside(&image, dir).map_err(Refusal::new)?;
    }
    let root = Root::open(root).map_err(|error| Refusal::new(format_args!("root directory: {error}")))?;
    warn(policy::check_links(&image, &root).map_err(Refusal::new)?);
    warn(policy::check_coverage(&image, Plane::Lsm).map_err(Refusal::new)?);
    if let (Some(signed), Some(ledger)) = (vouched, &args.ledger) {
        trust::check_revision(ledger, signed, &image.id_hex()).map_err(Refusal::new)?;
    }
    let kill_after = image.kill_after();
    let setup = Setup {
        subjects: policy::subjects(&image, name, &root).map_err(Refusal::new)?,
        image: Arc::new(image),
        name: name.clone(),
        dir: dir.clone(),
        root: root.path().to_owned(),
        mounts: Vec::<PathBuf>::new(),
        entry: Entry { named: command.clone(), path: None },
        kill_after: kill_after.and_then(std::num::NonZeroU64::new),
        kill_after_override: None,
        permissive: false,
        told: Told::Nobody,
        folding: Folding::AsItIs,
        seal: Seal::AsItIs,
    };
    let strictness = if args.strict { Strictness::Strict } else { Strictness::AsOpened };
    let record = || match (setup.image.signed(), &args.ledger) {
        (Some(signed), Some(ledger)) => trust::record_revision(ledger, signed, &setup.image.id_hex()),
        _ => Ok(()),
    };
    control::reload(&found, &setup, strictness, &file, record).map_err(Refusal::new)
}

/// Kills a sandbox; the exit status.
#[must_use]
pub fn kill(args: &KillArgs) -> u8 {
    status_of(find_running(&args.name).and_then(|found| end(&found)))
}

fn end(found: &Found) -> Result<(), Refusal> {
    if let Some(place) = &found.tenant.engine {
        control::bar(place);
    }
    if found.kill() {
        Ok(())
    } else {
        let name = &found.tenant.name;
        let barred = if found.tenant.engine.is_some() { "; it is barred from everything" } else { "" };
        Err(Refusal::new(format_args!("processes of the sandbox called `{name}` do not die{barred}")))
    }
}

/// Clears one sandbox away; the exit status.
#[must_use]
pub fn rm(args: &RmArgs) -> u8 {
    status_of(find(&args.name).and_then(|found| {
        if found.runs() {
            if !args.force {
                let name = &args.name;
                return Err(Refusal::new(format_args!(
                    "the sandbox called `{name}` runs: boesfs kill {name}, or --force"
                )));
            }
            end(&found)?;
        }
        control::remove(&found).map_err(Refusal::new)
    }))
}

/// Clears away what is left; the exit status.
#[must_use]
pub fn gc() -> u8 {
    match listed().and_then(|()| control::clear_away().map_err(Refusal::new)) {
        Ok(Cleared { sandboxes, engines, kept }) => {
            let printed = print(&format!("{sandboxes} sandboxes and {engines} engines cleared away\n"));
            kept.iter().fold(printed, |_, kept| complain(kept, FAILED))
        }
        Err(error) => complain(&error, FAILED),
    }
}
