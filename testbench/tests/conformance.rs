//! The conformance files, where they are: beside the workspace. Where they are not, each is a skip with that reason.

use std::path::Path;
use std::process::ExitCode;

use boesfs_testbench::engine::PURE;
use boesfs_testbench::{conformance, suite};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

const FILES: [(&str, &str); 5] = [
    ("policies_written_in_boesfs_form", "boesfs-vectors.json"),
    ("policies_of_boesfs", "boesfs-original.json"),
    ("inputs_that_boesfs_parsed", "boesfs-parse.json"),
    ("policies_on_which_casbins_agree", "casbin-vectors.json"),
    ("the_rest_of_the_language", "language-vectors.json"),
];

fn main() -> ExitCode {
    let trials = FILES.map(|(name, file)| Trial::ignorable_test(name, move || check(file)));
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

fn check(file: &str) -> Result<Completion, Failed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance").join(file);
    if !path.exists() {
        return Ok(Completion::ignored_with(format!(
            "there is no conformance file `{file}` beside the project"
        )));
    }
    let cases = conformance::read(&path)?;
    if cases.is_empty() {
        return Err(format!("`{file}` has no cases").into());
    }
    let engines: Vec<String> = PURE.iter().map(|name| (*name).to_owned()).collect();
    let report = suite::run(&cases, &engines);
    print!("{report}");
    if report.failed() > 0 { Err(report.to_string().into()) } else { Ok(Completion::Completed) }
}
