//! What the sandbox's events say of each attempt: what a hook of ours denies is told, with the rule and the name.
//!
//! Before each attack the prober makes a directory, which is denied, called for the attempt. So the event of that parts what
//! follows from what went before, also where events have no name.

use std::collections::HashMap;

use serde::Deserialize;

use super::table::Attempt;

/// The name that is denied before an attempt's attack, up to the attempt's.
const MARK: &str = "/frozen/began-";

/// A call that was denied, as its event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Denial {
    /// The rule's id.
    rule: Option<String>,
    reason: Option<String>,
    path: Option<String>,
    args: Vec<String>,
}

#[derive(Deserialize)]
struct Line {
    verdict: String,
    errno: Option<String>,
    rule: Option<Rule>,
    reason: Option<String>,
    path: Option<String>,
    args: Vec<String>,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
}

/// The denials that the lines of `log` tell of, by the attempt that was under way.
///
/// # Errors
/// The line that is no event.
pub(super) fn by_attempt(log: &str) -> Result<HashMap<String, Vec<Denial>>, String> {
    let mut told: HashMap<String, Vec<Denial>> = HashMap::new();
    let mut current = String::new();
    for line in log.lines() {
        let event: Line = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        if let Some(name) = event.path.as_deref().and_then(|path| path.strip_prefix(MARK)) {
            name.clone_into(&mut current);
            continue;
        }
        // What was only looked at, and the end at the limit, are no denials.
        if event.verdict == "deny" && event.errno.is_some() {
            let Line { rule, reason, path, args, .. } = event;
            let denial = Denial { rule: rule.map(|rule| rule.id), reason, path, args };
            told.entry(current.clone()).or_default().push(denial);
        }
    }
    Ok(told)
}

/// What is wrong with the `denials` that were told while `attempt`, which was blocked, was under way.
pub(super) fn fault(attempt: &Attempt, denials: &[Denial]) -> Option<String> {
    let is_own = |denial: &Denial| {
        denial.rule.as_deref() == Some(attempt.tree.as_str())
            && denial.path.iter().chain(&denial.args).any(|name| attempt.is_about(name))
    };
    if !attempt.untold.is_empty() {
        let is_always = attempt.told.is_empty();
        let denial = denials.iter().find(|denial| is_always && is_own(denial))?;
        return Some(format!("an event tells of it, though it is said that none can: {denial:?}"));
    }
    let is_told = |denial: &Denial| match attempt.told.as_str() {
        "" => is_own(denial),
        told => [&denial.rule, &denial.reason].iter().any(|said| said.as_deref() == Some(told)),
    };
    if attempt.has_no_rule() || denials.iter().any(is_told) {
        return None;
    }
    let wanted = if attempt.told.is_empty() { &attempt.tree } else { &attempt.told };
    Some(format!("blocked, and no event says `{wanted}`; there are {denials:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escape::attempts;

    fn attempt(name: &str) -> Attempt {
        attempts().unwrap().into_iter().find(|attempt| attempt.name == name).unwrap()
    }

    fn event(verdict: &str, rule: &str, reason: &str, path: &str, args: &str) -> String {
        let errno = if verdict == "deny" { "\"EACCES\"" } else { "null" };
        format!(
            "{{\"verdict\":\"{verdict}\",\"errno\":{errno},\"rule\":{rule},\"reason\":{reason},\"path\":{path},\"args\":[{args}]}}\n"
        )
    }

    fn ruled(id: &str, path: &str) -> String {
        event("deny", &format!("{{\"id\":\"{id}\"}}"), "null", &format!("\"{path}\""), "")
    }

    #[test]
    fn what_is_told_between_two_marks_belongs_to_the_first() {
        let log = [
            ruled("sealed", "/sealed/early/file"),
            ruled("frozen", "/frozen/began-one"),
            ruled("sealed", "/sealed/one/file"),
            event("allow", "null", "null", "\"/open/one/file\"", ""),
            ruled("frozen", "/frozen/began-two"),
            event("deny", "null", "\"unresolved\"", "null", ""),
        ];
        let told = by_attempt(&log.concat()).unwrap();
        let paths = |name: &str| told[name].iter().map(|denial| denial.path.as_deref()).collect::<Vec<_>>();
        assert_eq!(paths("one"), [Some("/sealed/one/file")]);
        assert_eq!(paths("two"), [None]);
        assert!(by_attempt("not an event\n").is_err());
    }

    #[test]
    fn a_denial_is_told_with_the_rule_and_the_name_or_as_the_table_says() {
        let denials = |log: &str| by_attempt(log).unwrap().remove("").unwrap_or_default();
        let faulty = |name: &str, log: &str| fault(&attempt(name), &denials(log)).is_some();
        let gained = event(
            "deny",
            "{\"id\":\"sealed\"}",
            "\"gains-right\"",
            "\"/attack/x\"",
            "\"/sealed/link-out/file\"",
        );
        for (name, log, is_faulty) in [
            ("open-directly", ruled("sealed", "/sealed/open-directly/file"), false),
            ("open-directly", ruled("sealed", "/sealed/open-directly"), false),
            ("open-directly", String::new(), true),
            ("open-directly", ruled("frozen", "/sealed/open-directly/file"), true),
            ("open-directly", ruled("sealed", "/sealed/open-directly-other/file"), true),
            ("link-out", gained, false),
            ("deep-10000", event("deny", "null", "\"too-deep\"", "null", ""), false),
            ("deep-10000", event("deny", "null", "\"unresolved\"", "null", ""), true),
            ("moved-deeper", String::new(), true),
            ("mount", String::new(), false),
            ("bind-mount", String::new(), false),
            ("bind-mount", ruled("sealed", "/sealed/bind-mount/file"), true),
            ("setxattr-bpf", String::new(), false),
            ("setxattr-bpf", ruled("frozen", "/frozen/setxattr-bpf/file"), false),
        ] {
            assert_eq!(faulty(name, &log), is_faulty, "{name}: {log}");
        }
    }
}
