//! AdmissionReview to request, decision to AdmissionResponse. After this no field is optional that must be there.
use crate::Moment;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sigward_document::Value;
use sigward_policy::{
    decision::Decision,
    request::{
        GroupVersionKind, GroupVersionResource, Lazy, Operation, Request, Selection, Stage,
        Timestamp, User,
    },
};
use smol_str::SmolStr;
use std::borrow::Cow;

/// Why a body is not an admission request.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not JSON of the right shape.
    #[error("the body is not an AdmissionReview: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another version or kind.
    #[error(
        "expected an AdmissionReview of admission.k8s.io/v1, found `{kind}` of `{api_version}`"
    )]
    OtherKind {
        /// As sent.
        api_version: String,
        /// As sent.
        kind: String,
    },
    /// There is nothing to decide.
    #[error("the AdmissionReview holds no request")]
    NoRequest,
    /// An operation that does not exist.
    #[error("unknown operation `{0}`")]
    UnknownOperation(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(default, borrow)]
    api_version: Cow<'a, str>,
    #[serde(default, borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Wire<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    uid: SmolStr,
    kind: WireKind,
    resource: WireResource,
    #[serde(default)]
    sub_resource: SmolStr,
    #[serde(default)]
    name: SmolStr,
    #[serde(default)]
    namespace: SmolStr,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(default)]
    user_info: WireUser,
    #[serde(default, borrow)]
    object: Option<&'a RawValue>,
    #[serde(default, borrow)]
    old_object: Option<&'a RawValue>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(default, borrow)]
    options: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireKind {
    #[serde(default)]
    group: SmolStr,
    #[serde(default)]
    version: SmolStr,
    kind: SmolStr,
}

#[derive(Deserialize)]
struct WireResource {
    #[serde(default)]
    group: SmolStr,
    #[serde(default)]
    version: SmolStr,
    resource: SmolStr,
}

#[derive(Default, Deserialize)]
struct WireUser {
    #[serde(default)]
    username: SmolStr,
    #[serde(default)]
    uid: SmolStr,
    #[serde(default)]
    groups: Vec<SmolStr>,
    #[serde(default)]
    extra: Value,
}

/// Reads the envelope; the objects stay text until a rule needs them.
///
/// # Errors
/// The body is no AdmissionReview v1 with a request.
pub fn parse(
    body: &[u8],
    stage: Stage,
    selection: Selection,
    moment: Moment,
) -> Result<Request, ReviewError> {
    let envelope: Envelope<'_> = serde_json::from_slice(body)?;
    if envelope.api_version != "admission.k8s.io/v1" || envelope.kind != "AdmissionReview" {
        return Err(ReviewError::OtherKind {
            api_version: envelope.api_version.into_owned(),
            kind: envelope.kind.into_owned(),
        });
    }
    let wire = envelope.request.ok_or(ReviewError::NoRequest)?;
    let operation = match wire.operation.as_ref() {
        "CREATE" => Operation::Create,
        "UPDATE" => Operation::Update,
        "DELETE" => Operation::Delete,
        "CONNECT" => Operation::Connect,
        other => return Err(ReviewError::UnknownOperation(other.to_owned())),
    };
    let lazy = |raw: Option<&RawValue>| {
        raw.map_or_else(Lazy::empty, |raw| Lazy::from_json(raw.get().as_bytes()))
    };
    Ok(Request {
        uid: wire.uid,
        kind: GroupVersionKind {
            group: wire.kind.group,
            version: wire.kind.version,
            kind: wire.kind.kind,
        },
        parent: None,
        resource: GroupVersionResource {
            group: wire.resource.group,
            version: wire.resource.version,
            resource: wire.resource.resource,
        },
        sub_resource: wire.sub_resource,
        name: wire.name,
        namespace: wire.namespace,
        operation,
        user: Some(User {
            username: wire.user_info.username,
            uid: wire.user_info.uid,
            groups: wire.user_info.groups,
            extra: wire.user_info.extra,
        }),
        object: lazy(wire.object),
        old_object: lazy(wire.old_object),
        options: lazy(wire.options),
        dry_run: wire.dry_run.unwrap_or(false),
        stage,
        selection,
        now: Timestamp(moment.unix_seconds),
        seed: moment.seed,
        presets: None,
    })
}

/// What goes back to the API server.
#[derive(Debug, Default)]
pub struct Answer {
    /// Whether the request may go on.
    pub allowed: bool,
    /// The denial body.
    pub message: Option<String>,
    /// RFC 6902 operations.
    pub patch: Vec<Value>,
    /// Shown to the client by the API server.
    pub warnings: Vec<String>,
}

impl From<&Decision> for Answer {
    fn from(decision: &Decision) -> Self {
        Self {
            allowed: decision.allowed,
            message: decision.message.clone(),
            patch: if decision.allowed { decision.patch.clone() } else { Vec::new() },
            warnings: decision.warnings.iter().cloned().chain(decision.explanation()).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReviewOut<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: ResponseOut<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseOut<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
}

#[derive(Serialize)]
struct StatusOut<'a> {
    status: &'static str,
    message: &'a str,
}

/// Prints the AdmissionReview that answers `uid`.
///
/// COMPAT: Kyverno 1.19: a denial carries `status.status` and `status.message` only, no code and no reason; test: a_denial_has_no_code_and_no_reason
///
/// # Errors
/// Never in practice: every part is a string or a tree.
pub fn render(uid: &str, answer: &Answer) -> Result<Vec<u8>, serde_json::Error> {
    let patch = if answer.patch.is_empty() {
        None
    } else {
        use base64::Engine as _;
        Some(base64::engine::general_purpose::STANDARD.encode(serde_json::to_vec(&answer.patch)?))
    };
    let review = ReviewOut {
        api_version: "admission.k8s.io/v1",
        kind: "AdmissionReview",
        response: ResponseOut {
            uid,
            allowed: answer.allowed,
            status: answer
                .message
                .as_deref()
                .filter(|_| !answer.allowed)
                .map(|message| StatusOut { status: "Failure", message }),
            patch_type: patch.as_ref().map(|_| "JSONPatch"),
            patch,
            warnings: &answer.warnings,
        },
    };
    serde_json::to_vec(&review)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Moment = Moment { unix_seconds: 1_700_000_000, seed: 7 };

    fn parse_text(text: &str) -> Result<Request, ReviewError> {
        parse(text.as_bytes(), Stage::Mutating, Selection::All, MOMENT)
    }

    fn pod_review() -> String {
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u1",
        "kind":{"group":"","version":"v1","kind":"Pod"},"resource":{"group":"","version":"v1","resource":"pods"},
        "name":"a","namespace":"default","operation":"CREATE","userInfo":{"username":"dev","groups":["g"]},
        "object":{"kind":"Pod"},"oldObject":null,"dryRun":true,"options":null}}"#
            .to_owned()
    }

    #[test]
    fn reads_the_envelope_and_leaves_the_object_as_text() {
        let request = parse_text(&pod_review()).unwrap();
        assert_eq!(request.uid, "u1");
        assert_eq!(request.kind.kind, "Pod");
        assert_eq!(request.operation, Operation::Create);
        assert_eq!(request.user.as_ref().unwrap().groups, ["g"]);
        assert!(request.dry_run);
        assert_eq!(request.now, Timestamp(1_700_000_000));
    }

    #[test]
    fn refuses_what_is_no_admission_review_of_v1() {
        let check = |text: &str, expected: &str| {
            let error = parse_text(text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("", "not an AdmissionReview");
        check("{}", "found `` of ``");
        check(r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#, "v1beta1");
        check(r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#, "no request");
        check(&pod_review().replace("CREATE", "PATCH"), "unknown operation `PATCH`");
        check(&"[".repeat(100_000), "not an AdmissionReview");
    }

    #[test]
    fn a_denial_has_no_code_and_no_reason() {
        let answer = Answer { message: Some("no".into()), ..Answer::default() };
        let text = String::from_utf8(render("u1", &answer).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u1","allowed":false,"status":{"status":"Failure","message":"no"}}}"#
        );
    }

    #[test]
    fn an_admission_carries_patch_and_warnings() {
        let answer = Answer {
            allowed: true,
            message: None,
            patch: vec![Value::string("op")],
            warnings: vec!["careful".into()],
        };
        let text = String::from_utf8(render("u1", &answer).unwrap()).unwrap();
        assert!(
            text.contains(r#""patch":"WyJvcCJd","patchType":"JSONPatch","warnings":["careful"]"#),
            "{text}"
        );
    }
}
