//! Results for machines: JSON, YAML, Markdown and JUnit as the peer prints them, SARIF and GitHub's annotations besides.
use crate::cli::kyverno::{
    github,
    sarif::{Finding, Level, Sarif},
    table::Row,
};
use sigward_document::{
    Value,
    yaml::{YamlStyle, to_yaml_with},
};
use std::{fmt::Write as _, path::Path};

/// `--output-format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Json,
    Yaml,
    Markdown,
    Junit,
    /// One SARIF 2.1.0 document of all failures, alone on standard output.
    Sarif,
    /// Annotations of GitHub's workflows, beside the usual text.
    Github,
}

/// What is printed in a format, test file by test file.
#[derive(Debug)]
pub(super) struct Document {
    format: Option<Format>,
    detailed: bool,
    sarif: Sarif,
}

impl Document {
    pub(super) fn new(format: Option<Format>, detailed: bool) -> Self {
        Self { format, detailed, sarif: Sarif::default() }
    }

    /// Whether nothing else may be printed.
    pub(super) fn is_alone(&self) -> bool {
        self.format == Some(Format::Sarif)
    }

    /// The results of one test file.
    pub(super) fn part(&mut self, path: &Path, rows: &[Row]) -> String {
        match self.format {
            None => String::new(),
            Some(Format::Json) => {
                format!("\n{}\n\n", Value::list(self.objects(rows)).to_json_pretty("  "))
            }
            Some(Format::Yaml) => {
                format!(
                    "\n{}\n\n",
                    to_yaml_with(&Value::list(self.objects(rows)), YamlStyle::GoYaml3)
                )
            }
            Some(Format::Markdown) => format!("\n{}\n\n", self.markdown(rows)),
            Some(Format::Junit) => format!("\n{}", junit(rows, self.detailed)),
            Some(Format::Sarif) => {
                for row in rows.iter().filter(|row| row.failed) {
                    self.sarif.push(Finding {
                        rule: identity(row),
                        level: Level::Error,
                        message: told(row),
                        file: path.display().to_string(),
                        line: 1,
                    });
                }
                String::new()
            }
            Some(Format::Github) => {
                let failed = rows.iter().filter(|row| row.failed);
                failed
                    .map(|row| github::annotation("error", path, 1, &identity(row), &told(row)))
                    .collect()
            }
        }
    }

    /// A test file that could not be run.
    pub(super) fn error(&mut self, path: &Path, error: &str) {
        self.sarif.push(Finding {
            rule: "test-not-run".to_owned(),
            level: Level::Error,
            message: error.to_owned(),
            file: path.display().to_string(),
            line: 1,
        });
    }

    /// What comes after the last test file.
    pub(super) fn end(&mut self) -> String {
        if self.is_alone() { std::mem::take(&mut self.sarif).render() } else { String::new() }
    }

    fn objects(&self, rows: &[Row]) -> Vec<Value> {
        let object = |row: &Row| {
            let cells = row.cells(self.detailed).into_iter().map(|(name, cell)| match name {
                "ID" => (name.into(), Value::int(i64::try_from(row.id).unwrap_or(i64::MAX))),
                "MESSAGE" => ("Message".into(), Value::string(&cell)),
                name => (name.into(), Value::string(&cell)),
            });
            Value::map(cells)
        };
        rows.iter().map(object).collect()
    }

    fn markdown(&self, rows: &[Row]) -> String {
        let names: Vec<&str> =
            Row::default().cells(self.detailed).into_iter().map(|(name, _)| name).collect();
        let mut text = format!("| {} | \n|{}\n", names.join(" | "), "----|".repeat(names.len()));
        for row in rows {
            let cells = row.cells(self.detailed).into_iter();
            let cells: Vec<String> =
                cells.map(|(_, cell)| cell.replace('|', "\\|").replace('\n', "<br>")).collect();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text
    }
}

/// `policy/rule`.
fn identity(row: &Row) -> String {
    if row.rule.is_empty() { row.policy.clone() } else { format!("{}/{}", row.policy, row.rule) }
}

fn told(row: &Row) -> String {
    format!("{}: {}: {}", row.resource, row.reason, row.message)
}

/// One suite a policy.
fn junit(rows: &[Row], detailed: bool) -> String {
    let failures = |rows: &mut dyn Iterator<Item = &Row>| rows.filter(|row| row.failed).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{}\">\n",
        rows.len(),
        failures(&mut rows.iter())
    );
    let mut policies: Vec<&str> = Vec::new();
    for row in rows {
        if !policies.contains(&row.policy.as_str()) {
            policies.push(&row.policy);
        }
    }
    for policy in policies {
        let own: Vec<&Row> = rows.iter().filter(|row| row.policy == policy).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            " <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\">",
            escaped(policy),
            own.len(),
            failures(&mut own.iter().copied())
        );
        for row in own {
            test_case(row, detailed, &mut text);
        }
        text.push_str(" </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn test_case(row: &Row, detailed: bool, text: &mut String) {
    let (rule, resource) = (escaped(&row.rule), escaped(&row.resource));
    let about = format!(
        "    Policy: {}\n    Rule: {}\n    Resource: {}",
        row.policy, row.rule, row.resource
    );
    let _ = writeln!(text, "  <testcase classname=\"{rule}\" name=\"{resource}\">");
    if row.failed {
        let message =
            if detailed { format!("\n    Message: {}", row.message) } else { String::new() };
        let _ = writeln!(
            text,
            "   <failure message=\"{}\"><![CDATA[\n{about}\n    Result: {}{}\n   ]]></failure>",
            escaped(&row.reason),
            row.result,
            cdata(&message)
        );
    } else if detailed {
        let _ = writeln!(
            text,
            "   <system-out><![CDATA[\n    Reason: {}\n{}\n    Message: {}\n   ]]></system-out>",
            row.reason,
            cdata(&about),
            cdata(&row.message)
        );
    }
    text.push_str("  </testcase>\n");
}

/// Text inside a CDATA section: its end mark is split.
fn cdata(text: &str) -> String {
    text.replace("]]>", "]]]]><![CDATA[>")
}

/// Text inside an attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(failed: bool) -> Row {
        Row {
            id: 1,
            policy: "p".into(),
            rule: "r".into(),
            resource: "v1/Pod/default/<a>".into(),
            result: if failed { "Fail" } else { "Pass" },
            reason: "Want pass, got fail".into(),
            message: "a | ]]> b".into(),
            failed,
        }
    }

    #[test]
    fn junit_is_well_formed() {
        for detailed in [false, true] {
            let text = junit(&[row(true), row(false)], detailed);
            for name in ["testsuites", "testsuite", "testcase", "failure", "system-out"] {
                let open = text.matches(&format!("<{name} ")).count()
                    + text.matches(&format!("<{name}>")).count();
                assert_eq!(open, text.matches(&format!("</{name}>")).count(), "{name}\n{text}");
            }
            assert!(text.contains("v1/Pod/default/&lt;a&gt;"));
        }
    }

    #[test]
    fn a_bar_in_a_message_does_not_end_a_cell() {
        let document = Document::new(Some(Format::Markdown), true);
        assert!(document.markdown(&[row(true)]).contains(r"a \| ]]> b"));
    }
}
