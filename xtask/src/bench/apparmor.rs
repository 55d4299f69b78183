//! The same rules for `AppArmor`'s compiler: a profile for each program, a line for each rule.
//!
//! The paths and patterns of synthetic policies mean the same there: `*` stays within a name, `**` does not. What a profile
//! cannot say (one operation alone) it says less exactly: `r` is `read` with all that leads to it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Why a policy is no synthetic one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {0} of the policy is not `p, PROGRAM, PATH, read, allow`")]
pub struct NotSynthetic(usize);

/// The profiles that say what the rules of `policy` say.
///
/// # Errors
/// [`NotSynthetic`] if there is a rule of another form.
pub(super) fn profiles(policy: &str) -> Result<String, NotSynthetic> {
    let mut by_program: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (number, line) in policy.lines().enumerate().filter(|(_, line)| line.starts_with("p, ")) {
        let fields: Vec<&str> = line.split(", ").collect();
        let ["p", program, path, "read", "allow"] = fields[..] else {
            return Err(NotSynthetic(number + 1));
        };
        by_program.entry(program).or_default().push(path);
    }
    let mut profiles = String::new();
    for (program, paths) in by_program {
        let mut add = |line: std::fmt::Arguments<'_>| {
            profiles.write_fmt(line).expect("INVARIANT: writing to a string succeeds");
        };
        add(format_args!("profile \"{program}\" {program} {{\n"));
        paths.iter().for_each(|path| add(format_args!("  {path} r,\n")));
        add(format_args!("}}\n"));
    }
    Ok(profiles)
}

/// What compiles the profiles in the file `profiles` and loads nothing.
pub(super) fn command<'a>(profiles: &'a str, to: &'a str) -> Vec<&'a str> {
    vec!["/sbin/apparmor_parser", "--skip-kernel-load", "--skip-cache", "--ofile", to, profiles]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_has_a_profile() {
        let policy = "[policy]\np, /bin/b, /x/*.c, read, allow\np, /bin/a, /y, read, allow\np, /bin/b, /z, read, allow\n";
        assert_eq!(
            profiles(policy).expect("synthetic"),
            "profile \"/bin/a\" /bin/a {\n  /y r,\n}\nprofile \"/bin/b\" /bin/b {\n  /x/*.c r,\n  /z r,\n}\n"
        );
        assert_eq!(profiles("p, /bin/b, /x, write, allow\n"), Err(NotSynthetic(1)));
    }
}
