//! Policies and exceptions at their own admission: compiled, and answered with everything there is to say.
use crate::review::Answer;
use sigward_policy::{
    compile::{Diagnostic, Severity, compile_exception, compile_policy},
    request::{Operation, Request},
    snapshot::Settings,
};

/// Judges a `ClusterPolicy`, `Policy` or `PolicyException`; other kinds and deletions pass.
pub(crate) fn judge(request: &Request, settings: &Settings) -> Answer {
    if request.operation == Operation::Delete {
        return Answer { allowed: true, ..Answer::default() };
    }
    let document = match request.object.value() {
        Ok(document) => document,
        Err(error) => {
            return Answer {
                message: Some(format!("line {}: {}", error.line, error.message)),
                ..Answer::default()
            };
        }
    };
    let diagnostics = match request.kind.kind.as_str() {
        "ClusterPolicy" | "Policy" => compile_policy(document, settings).diagnostics,
        "PolicyException" => compile_exception(document, settings).diagnostics,
        _ => Vec::new(),
    };
    answer(&diagnostics)
}

fn answer(diagnostics: &[Diagnostic]) -> Answer {
    let of = |severity: Severity| {
        diagnostics.iter().filter(move |diagnostic| diagnostic.severity == severity).map(sentence)
    };
    let errors: Vec<String> = of(Severity::Error).collect();
    Answer {
        allowed: errors.is_empty(),
        message: (!errors.is_empty()).then(|| errors.join("; ")),
        patch: Vec::new(),
        warnings: of(Severity::Warning).collect(),
    }
}

fn sentence(diagnostic: &Diagnostic) -> String {
    let Diagnostic { severity: _, path, message, help } = diagnostic;
    let mut sentence = if path.is_empty() { message.clone() } else { format!("{path}: {message}") };
    if let Some(help) = help {
        sentence.push_str(" (");
        sentence.push_str(help);
        sentence.push(')');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(severity: Severity, path: &str, message: &str, help: Option<&str>) -> Diagnostic {
        Diagnostic {
            severity,
            path: path.into(),
            message: message.into(),
            help: help.map(Into::into),
        }
    }

    #[test]
    fn every_error_is_named_with_its_field_and_its_way_out() {
        let answer = answer(&[
            diagnostic(Severity::Error, "spec.rules[0].name", "is missing", Some("add a name")),
            diagnostic(Severity::Warning, "spec.background", "has no effect", None),
            diagnostic(Severity::Error, "", "not a policy", None),
        ]);
        assert!(!answer.allowed);
        assert_eq!(
            answer.message.as_deref(),
            Some("spec.rules[0].name: is missing (add a name); not a policy")
        );
        assert_eq!(answer.warnings, ["spec.background: has no effect"]);
    }

    #[test]
    fn warnings_alone_admit() {
        let answer = answer(&[diagnostic(Severity::Warning, "spec", "old", None)]);
        assert!(answer.allowed);
        assert_eq!(answer.message, None);
    }
}
