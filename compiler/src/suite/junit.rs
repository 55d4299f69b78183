//! What came of suites as JUnit's XML.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::report::Result as SuiteResult;

/// The report of `results`.
///
/// # Errors
/// If the report cannot be written as XML.
pub fn junit(results: &[SuiteResult]) -> Result<String, quick_junit::SerializeError> {
    let mut report = Report::new("boesfsc test");
    for result in results {
        let mut suite = TestSuite::new(result.file.as_str());
        if let Some(error) = &result.error {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(first_line(error)).set_description(error.as_str());
            let mut case = TestCase::new("the suite can be run", status);
            case.set_classname(result.file.as_str());
            suite.add_test_case(case);
        }
        for test in &result.tests {
            let status = if test.failures.is_empty() {
                TestCaseStatus::success()
            } else {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                let texts: Vec<&str> =
                    test.failures.iter().map(|failure| failure.diagnostic.message.as_str()).collect();
                status.set_message(texts[0]).set_type("answer").set_description(texts.join("\n"));
                status
            };
            let mut case = TestCase::new(test.name.as_str(), status);
            case.set_classname(result.file.as_str()).set_assertions(test.asked);
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
