//! A page of documentation as blocks: files it shows, commands it runs with what they print, and the rest.

/// One stretch of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Lines that are neither of the others, fences included.
    Prose(Vec<String>),
    /// ```` ```conf NAME ````, ```` ```ron NAME ````: a file of that name.
    File {
        /// What it is written in.
        language: String,
        /// Its name.
        name: String,
        /// Its lines.
        lines: Vec<String>,
        /// Line of the fence in the page, from 1.
        line: usize,
    },
    /// ```` ```console ````: commands, each with what it prints.
    Console {
        /// The commands in order.
        runs: Vec<Run>,
        /// Line of the fence in the page, from 1.
        line: usize,
    },
    /// ```` ```sh ````: commands for the reader, which are steps of the test suite themselves.
    Shell {
        /// The commands.
        lines: Vec<String>,
        /// Line of the fence in the page, from 1.
        line: usize,
    },
}

/// A command and what it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The command line, as a shell takes it.
    pub(super) command: String,
    /// What it prints on stdout and stderr together. `…` in a line stands for anything.
    pub(super) output: Vec<String>,
}

/// The blocks of `text`, or what is wrong with its form.
///
/// # Errors
/// An unclosed fence, output before the first command, or a `conf` or `ron` block that names no file.
pub(super) fn parse(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut prose = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else {
            prose.push(line.to_owned());
            continue;
        };
        let mut body = Vec::new();
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, line)) => body.push(line.to_owned()),
                None => return Err(format!("line {}: fence is not closed", index + 1)),
            }
        }
        let line_number = index + 1;
        let block = match info.split_once(' ').unwrap_or((info, "")) {
            ("conf" | "ron", "") => {
                return Err(format!("line {line_number}: a {info} block needs a file's name"));
            }
            (language @ ("conf" | "ron"), name) => Block::File {
                language: language.to_owned(),
                name: name.to_owned(),
                lines: body,
                line: line_number,
            },
            ("console", _) => Block::Console { runs: runs(&body, line_number)?, line: line_number },
            ("sh", _) => Block::Shell { lines: body, line: line_number },
            _ => {
                prose.push(line.to_owned());
                prose.extend(body);
                prose.push("```".to_owned());
                continue;
            }
        };
        if !prose.is_empty() {
            blocks.push(Block::Prose(std::mem::take(&mut prose)));
        }
        blocks.push(block);
    }
    if !prose.is_empty() {
        blocks.push(Block::Prose(prose));
    }
    Ok(blocks)
}

fn runs(body: &[String], line: usize) -> Result<Vec<Run>, String> {
    let mut runs: Vec<Run> = Vec::new();
    for text in body {
        if let Some(command) = text.strip_prefix("$ ") {
            runs.push(Run { command: command.to_owned(), output: Vec::new() });
        } else if let Some(run) = runs.last_mut() {
            run.output.push(text.clone());
        } else {
            return Err(format!("line {line}: output stands before the first command"));
        }
    }
    Ok(runs)
}

/// The page that `blocks` make.
#[must_use]
pub(super) fn print(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        let (info, body) = match block {
            Block::Prose(prose) => (None, prose.clone()),
            Block::File { language, name, lines, .. } => (Some(format!("{language} {name}")), lines.clone()),
            Block::Shell { lines, .. } => (Some("sh".to_owned()), lines.clone()),
            Block::Console { runs, .. } => {
                let shown = |run: &Run| [vec![format!("$ {}", run.command)], run.output.clone()].concat();
                (Some("console".to_owned()), runs.iter().flat_map(shown).collect())
            }
        };
        let fence = info.is_some().then(|| "```".to_owned());
        let open = info.map(|info| format!("```{info}"));
        for line in open.iter().chain(&body).chain(&fence) {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Whether `line` is what `pattern` says; `…` in it stands for anything.
#[must_use]
pub(super) fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|head| line.strip_prefix(head)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((tail, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_prints_as_it_was() {
        let page = "# A\n\n```conf a.conf\nx\n```\n```ron a.ron\ny\n```\n\n```console\n$ a b\nout\n$ c\n```\n```sh\nmake\n```\n```text\nz\n```\n";
        assert_eq!(print(&parse(page).unwrap()), page);
    }

    #[test]
    fn dots_stand_for_anything() {
        assert!(matches("a…c", "abbc"));
        assert!(matches("…", ""));
        assert!(matches("a", "a"));
        assert!(!matches("a…c…e", "ace-"));
        assert!(!matches("a", "ab"));
        assert!(!matches("aXa…Xa", "aXa"));
    }

    #[test]
    fn malformed_pages_are_refused() {
        assert!(parse("```console\nout\n```\n").is_err());
        assert!(parse("```conf\n```\n").is_err());
        assert!(parse("```sh\n").is_err());
    }
}
