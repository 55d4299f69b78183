//! The event file as a table.

use serde::Deserialize;
use std::fmt::Write;

/// What the table shows of an event line.
#[derive(Deserialize)]
struct Event {
    sub: String,
    op: Option<String>,
    path: Option<String>,
    verdict: String,
    errno: Option<String>,
    rule: Option<Rule>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Rule {
    id: String,
    line: u32,
}

/// One line an event: verdict, error, operation, path, subject, and the rule with its line or the reason.
///
/// # Errors
/// If a line is not an event.
pub(super) fn table(lines: &str) -> serde_json::Result<String> {
    let mut text = String::new();
    for line in lines.lines() {
        let event: Event = serde_json::from_str(line)?;
        let cause = match (&event.rule, &event.reason) {
            (Some(rule), None) => format!("line {}, rule {}", rule.line, rule.id),
            (Some(rule), Some(reason)) => format!("line {}, rule {}: {reason}", rule.line, rule.id),
            (None, Some(reason)) => format!("no rule: {reason}"),
            (None, None) => "no rule".into(),
        };
        writeln!(
            text,
            "{:<6} {:<7} {:<8} {} by {}: {cause}",
            event.verdict,
            event.errno.unwrap_or_default(),
            event.op.unwrap_or_default(),
            event.path.unwrap_or_default(),
            event.sub,
        )
        .expect("INVARIANT: writing to a string succeeds");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_names_rule_or_reason() {
        let lines = r#"{"sub":"/bin/sh","op":"read","path":"/f","verdict":"deny","errno":"EACCES","rule":{"id":"r","line":3,"text":""},"reason":null}
{"sub":"/bin/sh","op":"write","path":"/f","verdict":"deny","errno":"EACCES","rule":null,"reason":"default"}
"#;
        let table = super::table(lines).unwrap();
        assert!(table.contains("read     /f by /bin/sh: line 3, rule r\n"), "{table}");
        assert!(table.contains("write    /f by /bin/sh: no rule: default\n"), "{table}");
        assert!(super::table("nonsense\n").is_err());
    }
}
