//! What cosign tells about the certificate of a keyless signature of an attached tag.
use crate::cli::cosign::Output;
use serde_json::{Map, Value};
use sigward_sigstore::{
    certificate::{Extension, SubjectName},
    tlog::LogEntry,
    verified::{Signed, Store, Verified},
};
use std::sync::Arc;

/// Extensions by their number, the name in `optional`, and the words for people.
const EXTENSIONS: &[(Extension, &str, &str)] = &[
    (Extension::GITHUB_WORKFLOW_TRIGGER, "githubWorkflowTrigger", "GitHub Workflow Trigger"),
    (Extension::GITHUB_WORKFLOW_SHA, "githubWorkflowSha", "GitHub Workflow SHA"),
    (Extension::GITHUB_WORKFLOW_NAME, "githubWorkflowName", "GitHub Workflow Name"),
    (
        Extension::GITHUB_WORKFLOW_REPOSITORY,
        "githubWorkflowRepository",
        "GitHub Workflow Repository",
    ),
    (Extension::GITHUB_WORKFLOW_REF, "githubWorkflowRef", "GitHub Workflow Ref"),
];

/// The payload, whose `optional` also says who signed and what the log knows.
///
/// COMPAT: cosign 3.1: `Subject`, `Issuer`, the extensions by number and by name, and `Bundle`; test: a_keyless_signature_of_a_tag_says_who_signed
pub(super) fn with_certificate(mut payload: Value, signed: &Signed) -> Value {
    let (Some(certificate), Some(object)) =
        (signed.proved().certificate(), payload.as_object_mut())
    else {
        return payload;
    };
    let mut optional = match object.remove("optional") {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    let mut say = |name: &str, value: Value| optional.insert(name.to_owned(), value);
    let fulcio = certificate.fulcio();
    let subject = certificate.subject_names();
    say("Subject", subject.first().map(SubjectName::as_str).unwrap_or_default().into());
    if let Some(issuer) = fulcio.issuer() {
        say("Issuer", issuer.into());
        say(&Extension::ISSUER_V1.oid(), issuer.into());
    }
    for (extension, name, _) in EXTENSIONS {
        if let Some(text) = fulcio.get(*extension) {
            say(name, text.into());
            say(&extension.oid(), text.into());
        }
    }
    let entry = signed.proved().log_entries().first().and_then(LogEntry::to_annotation);
    if let Some(entry) = entry.and_then(|text| serde_json::from_str(&text).ok()) {
        say("Bundle", entry);
    }
    object.insert("optional".to_owned(), Value::Object(optional));
    payload
}

/// For `-o text`: who signed, on standard error.
pub(super) fn say(output: &Output, verified: &[Arc<Verified>]) {
    for signed in verified.iter().flat_map(|one| one.signed()) {
        let Some(certificate) = signed.proved().certificate() else { continue };
        if signed.store() != Store::Legacy {
            continue;
        }
        let fulcio = certificate.fulcio();
        let subject = certificate.subject_names();
        output.say(&format!(
            "Certificate subject: {}",
            subject.first().map(SubjectName::as_str).unwrap_or_default()
        ));
        if let Some(issuer) = fulcio.issuer() {
            output.say(&format!("Certificate issuer URL: {issuer}"));
        }
        for (extension, _, words) in EXTENSIONS {
            if let Some(text) = fulcio.get(*extension) {
                output.say(&format!("{words}: {text}"));
            }
        }
    }
}
