//! Every command teaches by example, and every example is one that this command line takes.

use clap::{Command, CommandFactory as _, Parser as _};

use super::Cli;

/// The words of `line` up to what a shell would do with the output, or what explains the line.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut blanks = 0;
    for letter in line.trim().chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ') => {
                blanks += 1;
                words.extend(word.take());
                continue;
            }
            // Words that stand apart explain.
            (None, _) if blanks > 1 && word.is_none() => return words,
            _ => word.get_or_insert_default().push(letter),
        }
        blanks = 0;
    }
    words.extend(word);
    if let Some(end) = words.iter().position(|word| matches!(word.as_str(), "|" | ">" | "<" | "&&" | "||")) {
        words.truncate(end);
    }
    words
}

/// The lines below `Examples:` in the long help of `command`.
fn examples(command: &mut Command) -> Vec<String> {
    let help = command.render_long_help().to_string();
    let Some((_, part)) = help.split_once("Examples:\n") else { return Vec::new() };
    let lines = part.lines().take_while(|line| line.starts_with("  "));
    lines.map(str::to_owned).filter(|line| line.trim().starts_with("boesfsc ")).collect()
}

#[test]
fn every_command_has_examples_that_parse() {
    let mut command = Cli::command();
    command.build();
    let mut wrong = Vec::new();
    let mut check = |command: &mut Command, own: Option<&str>| {
        let found = examples(command);
        if found.is_empty() {
            wrong.push(format!("`{}` has no examples", command.get_name()));
        }
        for (place, line) in found.into_iter().enumerate() {
            let words = words(&line);
            // What follows the first may go on with other commands.
            if let Some(name) = own
                && place == 0
                && words.get(1).map(String::as_str) != Some(name)
            {
                wrong.push(format!("not an example of `{name}`: {line}"));
            }
            if let Err(error) = Cli::try_parse_from(words) {
                wrong.push(format!("{line}\n{error}"));
            }
        }
    };
    let mut names = Vec::new();
    for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
        let name = sub.get_name().to_owned();
        check(sub, Some(&name));
        names.push(name);
    }
    check(&mut command, None);
    assert!(names.len() >= 10, "{names:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn explanations_and_redirections_are_no_arguments() {
    assert_eq!(words("  boesfsc check 'a b'   says so"), ["boesfsc", "check", "a b"]);
    assert_eq!(words("boesfsc man | man -l -"), ["boesfsc", "man"]);
}
