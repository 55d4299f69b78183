//! The lint `hasty-kill`.

use boesfs_grammar::SectionKind;

use super::Lint;
use super::findings::Findings;
use crate::diagnostic::Diagnostic;

/// `kill_after = 1`: the first denial kills.
pub static HASTY_KILL: Lint = Lint {
    code: "W0330",
    name: "hasty-kill",
    finds: "`kill_after = 1`: the first denial kills",
    page: include_str!("hasty_kill.md"),
};

pub(super) fn check(found: &mut Findings<'_>) {
    if found.model.options.kill_after != Some(1) {
        return;
    }
    let written = |definition: &&boesfs_grammar::Definition| {
        definition.section == SectionKind::Options && definition.key.text == "kill_after"
    };
    let span = found.tree.definitions.iter().find(written).map_or(found.model.matcher.span, |one| one.span);
    found.push(
        Diagnostic::warning(&HASTY_KILL, "the first denial kills the sandbox", span)
            .label("programs often try what they may not do")
            .help("allow for some denials, such as `kill_after = 100`"),
    );
}
