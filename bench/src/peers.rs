//! The same policy and requests put to other engines, by a program of its own that has them built in.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::policy::Subject;
use crate::report::Spread;

/// How many requests: some take milliseconds for each.
const ASKED: usize = 64;
const ENGINES: [&str; 3] = ["casbin-rs", "cedar", "regorus"];

/// What each engine took for a decision.
pub(crate) fn ask(program: &Path, subject: &Subject) -> Result<Vec<Value>> {
    let folder = std::env::temp_dir().join(format!("boesfs-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (policy, requests) = (folder.join("policy.conf"), folder.join("requests"));
    std::fs::write(&policy, &subject.text)?;
    let mut lines = String::new();
    for question in &subject.hits[..ASKED] {
        writeln!(lines, "{} {} read", question.sub, String::from_utf8_lossy(&question.path))?;
    }
    std::fs::write(&requests, lines)?;
    let output = Command::new(program).args([&policy, &requests]).args(ENGINES).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_dir_all(&folder)?;
    let mut found = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let line: Value = serde_json::from_str(line)?;
        ensure!(line["allowed"] == json!(ASKED), "{line}: not what the rules say");
        let times = line["ns"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        let line = json!({"engine": line["engine"], "rules": subject.rules, "requests": ASKED,
            "load_seconds": line["load_seconds"], "time": Spread::of(times).json()});
        eprintln!("{line}");
        found.push(line);
    }
    Ok(found)
}
