//! SARIF 2.1.0: findings for code scanning.
use sigward_document::Value;
use std::collections::BTreeSet;

/// How bad a finding is, in SARIF's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Must be cured.
    Error,
    /// Should be looked at.
    Warning,
}

/// One result.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// `policy/rule`.
    pub(crate) rule: String,
    /// How bad.
    pub(crate) level: Level,
    /// For people.
    pub(crate) message: String,
    /// The file that holds what is wrong.
    pub(crate) file: String,
    /// Counted from one.
    pub(crate) line: u32,
}

/// A log of one run.
#[derive(Debug, Default)]
pub(crate) struct Sarif {
    findings: Vec<Finding>,
}

impl Sarif {
    /// Adds a finding.
    pub(crate) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The document, with a line break at its end.
    pub(crate) fn render(self) -> String {
        let text = Value::string;
        let rules: BTreeSet<&str> = self.findings.iter().map(|one| one.rule.as_str()).collect();
        let rules = rules.into_iter().map(|rule| Value::map([("id".into(), text(rule))]));
        let driver = Value::map([
            ("name".into(), text("sigward")),
            ("version".into(), text(env!("CARGO_PKG_VERSION"))),
            ("informationUri".into(), text(env!("CARGO_PKG_REPOSITORY"))),
            ("rules".into(), Value::list(rules)),
        ]);
        let results = self.findings.iter().map(result);
        let run = Value::map([
            ("tool".into(), Value::map([("driver".into(), driver)])),
            ("results".into(), Value::list(results)),
        ]);
        let log = Value::map([
            ("$schema".into(), text("https://json.schemastore.org/sarif-2.1.0.json")),
            ("version".into(), text("2.1.0")),
            ("runs".into(), Value::list([run])),
        ]);
        format!("{}\n", log.to_json_pretty("  "))
    }
}

fn result(finding: &Finding) -> Value {
    let level = match finding.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let artifact = Value::map([("uri".into(), Value::string(&finding.file))]);
    let region = Value::map([("startLine".into(), Value::int(finding.line.max(1).into()))]);
    let physical = Value::map([("artifactLocation".into(), artifact), ("region".into(), region)]);
    let location = Value::map([("physicalLocation".into(), physical)]);
    let message = Value::map([("text".into(), Value::string(&finding.message))]);
    Value::map([
        ("ruleId".into(), Value::string(&finding.rule)),
        ("level".into(), Value::string(level)),
        ("message".into(), message),
        ("locations".into(), Value::list([location])),
    ])
}
