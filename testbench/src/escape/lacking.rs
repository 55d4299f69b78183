//! What is left out of the attempts because a kernel lacks what they need, where that is known.

use std::collections::HashSet;

static LIST: &str = include_str!("../../escape/lacking.txt");

/// What is left out of the attempts that are counted as `engine` on this kernel; `None` if nobody has written it down.
pub(super) fn here(engine: &str) -> Option<HashSet<&'static str>> {
    let name = rustix::system::uname();
    on(engine, name.release().to_str().ok()?)
}

fn on(engine: &str, release: &str) -> Option<HashSet<&'static str>> {
    let series: Vec<&str> = release.split('.').take(2).collect();
    let place = format!("{engine} {}:", series.join("."));
    let names = LIST.lines().find_map(|line| line.strip_prefix(&place))?;
    Some(names.split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escape::attempts;

    #[test]
    fn places_are_an_engine_on_a_series_of_kernels() {
        assert!(on("escape-lsm", "6.12.90+deb13-cloud-amd64").unwrap().contains("x32"));
        assert!(on("escape-lsm", "6.1.0-44-cloud-amd64").unwrap().contains("fchmodat2"));
        assert_eq!(on("escape-lsm", "6.11.1"), None);
        assert_eq!(on("escape-fuse", "6.12.1"), None);
    }

    #[test]
    fn what_is_left_out_is_an_attempt_that_may_be() {
        let attempts = attempts().unwrap();
        for line in LIST.lines().filter(|line| !line.starts_with('#')) {
            for name in line.split_once(':').unwrap().1.split_whitespace() {
                assert!(attempts.iter().any(|attempt| attempt.name == name && attempt.may_lack), "{name}");
            }
        }
    }
}
