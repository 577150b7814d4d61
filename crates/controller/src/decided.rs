//! A decision on its way to reports and events.
use crate::events::Subject;
use sigward_document::Value;
use sigward_policy::{decision::Decision, request::Request};
use std::sync::Arc;

/// What was asked and what was decided. Sent after the answer went out.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The request.
    pub request: Arc<Request>,
    /// The decision.
    pub decision: Arc<Decision>,
}

impl Decided {
    /// The resource that was decided on. Its name may be empty, and so may its UID.
    pub fn resource(&self) -> Subject {
        let request = &self.request;
        let metadata = self.metadata();
        let text = |name: &str| {
            metadata.and_then(|metadata| metadata.str_at(&[name])).unwrap_or_default().to_owned()
        };
        let name = if request.name.is_empty() { text("name") } else { request.name.to_string() };
        let kind = &request.kind;
        let api_version = if kind.group.is_empty() {
            kind.version.to_string()
        } else {
            format!("{}/{}", kind.group, kind.version)
        };
        Subject {
            api_version,
            kind: kind.kind.to_string(),
            namespace: request.namespace.to_string(),
            name,
            uid: text("uid"),
        }
    }

    fn metadata(&self) -> Option<&Value> {
        let object = self.request.object.value().ok().filter(|object| !object.is_null());
        let object = object.or_else(|| self.request.old_object.value().ok())?;
        object.at_path(&["metadata"])
    }
}

/// Decisions for the tests of reports and events.
#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use sigward_policy::{
        decision::{RuleOutcome, RuleType, Status},
        request::{
            GroupVersionKind, GroupVersionResource, Lazy, Operation, Selection, Stage, Timestamp,
        },
        snapshot::{FailureAction, FailurePolicy, PolicyName},
    };

    /// A Pod `ns/web` with the UID `uid-1`, being created.
    pub(crate) fn request() -> Request {
        let pod = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"ns","uid":"uid-1"}}"#;
        Request {
            uid: "request".into(),
            kind: GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Pod".into() },
            parent: None,
            resource: GroupVersionResource {
                group: "".into(),
                version: "v1".into(),
                resource: "pods".into(),
            },
            sub_resource: "".into(),
            name: "web".into(),
            namespace: "ns".into(),
            operation: Operation::Create,
            user: None,
            object: Lazy::from_json(pod),
            old_object: Lazy::empty(),
            options: Lazy::empty(),
            dry_run: false,
            stage: Stage::Mutating,
            selection: Selection::All,
            now: Timestamp(1_800_000_000),
            seed: 0,
            presets: None,
        }
    }

    /// What a rule `check-image` of the policy `signed` said.
    pub(crate) fn rule(status: Status, blocks: bool, message: &str) -> RuleOutcome {
        RuleOutcome {
            policy: PolicyName { namespace: "".into(), name: "signed".into() },
            rule: "check-image".into(),
            rule_type: RuleType::ImageVerify,
            status,
            message: message.to_owned(),
            action: FailureAction::Enforce,
            failure_policy: FailurePolicy::Fail,
            blocks,
            target: None,
            images: Vec::new(),
            exceptions: Vec::new(),
            properties: Vec::new(),
        }
    }

    /// A decision from these outcomes.
    pub(crate) fn decided(request: Request, rules: Vec<RuleOutcome>) -> Decided {
        let decision = Decision {
            allowed: !rules.iter().any(|rule| rule.blocks),
            message: None,
            patch: Vec::new(),
            object: Value::NULL,
            warnings: Vec::new(),
            rules,
            generated: Vec::new(),
            snapshot: 1,
        };
        Decided { request: Arc::new(request), decision: Arc::new(decision) }
    }
}
