//! The lint `set-comparison`.

use super::Lint;

/// `r.act != p.act` with several operations, where Casbin compares text.
pub static SET_COMPARISON: Lint = Lint {
    code: "W0313",
    name: "set-comparison",
    finds: "`r.act != p.act` with several operations, where Casbin compares text",
    page: include_str!("set_comparison.md"),
};
