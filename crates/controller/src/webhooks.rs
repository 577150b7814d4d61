//! What the API server is to call, and for what: the webhook configurations, as values.
//!
//! COMPAT: Kyverno 1.19, `pkg/controllers/webhook`: names, paths, grouping by failure policy, fields.
use crate::settings::Configuration;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value as Json, json};
use sigward_policy::{
    compile::{MatchCondition, Policy, WebhookRule},
    snapshot::{FailurePolicy, PolicyName},
};
use std::collections::BTreeMap;

pub mod reconcile;
pub mod rules;

use crate::discovery::Discovery;
use rules::{Phase, Rules};

/// Where the API server finds the webhook server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Service in the cluster.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name: `kyverno-svc`.
        name: String,
        /// Its port: 443.
        port: u16,
    },
    /// A host and port outside the cluster (`--serverIP`).
    Host(String),
}

impl Endpoint {
    fn client_config(&self, path: &str, ca_bundle: &[u8]) -> Json {
        let ca_bundle = STANDARD.encode(ca_bundle);
        match self {
            Self::Service { namespace, name, port } => json!({
                "caBundle": ca_bundle,
                "service": { "namespace": namespace, "name": name, "path": path, "port": port },
            }),
            Self::Host(host) => {
                json!({ "caBundle": ca_bundle, "url": format!("https://{host}{path}") })
            }
        }
    }

    /// The names and addresses that the serving certificate must be for.
    ///
    /// COMPAT: Kyverno 1.19, `pkg/tls/certificateRequest`: the four names of a Service, and the host of `--serverIP`.
    pub fn names(&self, namespace: &str, service: &str) -> Vec<String> {
        let mut names = vec![
            format!("{service}.{namespace}.svc"),
            service.to_owned(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc.cluster.local"),
        ];
        if let Self::Host(host) = self {
            let bare = match host.rsplit_once(':') {
                Some((bare, port))
                    if port.chars().all(|c| c.is_ascii_digit()) && !port.is_empty() =>
                {
                    bare
                }
                _ => host.as_str(),
            };
            names.push(bare.trim_matches(['[', ']']).to_owned());
        }
        names
    }
}

/// The label of every configuration that is ours.
pub const MANAGED_BY: (&str, &str) = ("webhook.kyverno.io/managed-by", "kyverno");

/// Between the failure policy and the name of a policy that has a webhook of its own.
const FINE_GRAINED: &str = "-finegrained-";

/// What the API server said against a policy's own webhook, if it refused that.
pub fn refusal<'r>(refused: &'r BTreeMap<String, String>, policy: &PolicyName) -> Option<&'r str> {
    let own = dashed(policy);
    let of = |name: &str| name.split_once(FINE_GRAINED).is_some_and(|(_, policy)| policy == own);
    refused.iter().find(|(name, _)| of(name)).map(|(_, reason)| reason.as_str())
}

/// `name` or `namespace-name`.
fn dashed(policy: &PolicyName) -> String {
    policy.to_string().replace('/', "-")
}

/// Names of all configurations, as Kyverno calls them; the first of a pair is validating.
pub mod names {
    /// Checks policies.
    pub const POLICY_VALIDATING: &str = "kyverno-policy-validating-webhook-cfg";
    /// Sets defaults in policies.
    pub const POLICY_MUTATING: &str = "kyverno-policy-mutating-webhook-cfg";
    /// Checks resources.
    pub const RESOURCE_VALIDATING: &str = "kyverno-resource-validating-webhook-cfg";
    /// Changes resources.
    pub const RESOURCE_MUTATING: &str = "kyverno-resource-mutating-webhook-cfg";
    /// Checks policy exceptions.
    pub const EXCEPTION_VALIDATING: &str = "kyverno-exception-validating-webhook-cfg";
}

/// What one compiled policy wants to be called for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The policy.
    pub policy: PolicyName,
    /// Its effective failure policy.
    pub failure_policy: FailurePolicy,
    /// Seconds that the API server is to wait, where the policy says so.
    pub timeout_seconds: Option<u8>,
    /// Not empty: it has a webhook of its own.
    pub match_conditions: Vec<MatchCondition>,
    /// Kinds, operations, phases.
    pub rules: Vec<WebhookRule>,
}

impl From<&Policy> for Subscription {
    fn from(policy: &Policy) -> Self {
        Self {
            policy: policy.name().clone(),
            failure_policy: policy.failure_policy(),
            timeout_seconds: policy.timeout_seconds(),
            match_conditions: policy.match_conditions().to_vec(),
            rules: policy.webhook_rules().to_vec(),
        }
    }
}

/// Everything that the configurations depend on.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Of all policies, those too that only say that they cannot be used, as far as their match can be read.
    pub subscriptions: &'a [Subscription],
    /// What the API server serves.
    pub discovery: &'a Discovery,
    /// Selectors, labels and conditions of the ConfigMap.
    pub configuration: &'a Configuration,
    /// Where we are.
    pub endpoint: &'a Endpoint,
    /// `<service>.<namespace>.svc`: the name of webhooks that have no other.
    pub service_host: &'a str,
    /// PEM of all CAs that are trusted now.
    pub ca_bundle: &'a [u8],
    /// `--webhookTimeout`, for policies that do not say.
    pub default_timeout: u8,
    /// `--forceFailurePolicyIgnore`: everything is under `Ignore`.
    pub force_ignore: bool,
    /// `--autoUpdateWebhooks`: false calls for everything.
    pub auto_update: bool,
    /// The ClusterRole that owns the configurations, so that they go with it: name and UID.
    pub owner: Option<(&'a str, &'a str)>,
}

/// A configuration as it is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookConfiguration {
    /// Whether it is a ValidatingWebhookConfiguration.
    pub validating: bool,
    /// `metadata.name`.
    pub name: &'static str,
    /// The whole object, without what the API server adds.
    pub object: Json,
}

impl Wanted<'_> {
    /// All configurations.
    pub fn configurations(&self) -> Vec<WebhookConfiguration> {
        vec![
            self.configuration(true, names::POLICY_VALIDATING, &[self.policy_webhook(true)]),
            self.configuration(false, names::POLICY_MUTATING, &[self.policy_webhook(false)]),
            self.configuration(true, names::EXCEPTION_VALIDATING, &[self.exception_webhook()]),
            self.configuration(
                true,
                names::RESOURCE_VALIDATING,
                &self.resource_webhooks(Phase::Validating),
            ),
            self.configuration(
                false,
                names::RESOURCE_MUTATING,
                &self.resource_webhooks(Phase::Mutating),
            ),
        ]
    }

    fn configuration(
        &self,
        validating: bool,
        name: &'static str,
        webhooks: &[Json],
    ) -> WebhookConfiguration {
        let mut labels = self.configuration.webhook_labels.clone();
        labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
        let mut metadata = json!({ "name": name, "labels": labels });
        if let Some(members) = metadata.as_object_mut() {
            if !self.configuration.webhook_annotations.is_empty() {
                members.insert(
                    "annotations".to_owned(),
                    json!(self.configuration.webhook_annotations),
                );
            }
            if let Some((name, uid)) = self.owner {
                let owner = json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": name, "uid": uid,
                });
                members.insert("ownerReferences".to_owned(), json!([owner]));
            }
        }
        let kind = if validating {
            "ValidatingWebhookConfiguration"
        } else {
            "MutatingWebhookConfiguration"
        };
        let object = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata, "webhooks": webhooks,
        });
        WebhookConfiguration { validating, name, object }
    }

    /// What all webhooks share. Every field has a value, so that what the API server stores can be compared.
    fn webhook(&self, name: &str, path: &str, failure_policy: FailurePolicy, rules: &Json) -> Json {
        json!({
            "name": name,
            "admissionReviewVersions": ["v1"],
            "clientConfig": self.endpoint.client_config(path, self.ca_bundle),
            "failurePolicy": match failure_policy {
                FailurePolicy::Fail => "Fail",
                FailurePolicy::Ignore => "Ignore",
            },
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "rules": rules,
            "sideEffects": "None",
            "timeoutSeconds": self.default_timeout.clamp(1, 30),
        })
    }

    fn policy_webhook(&self, validating: bool) -> Json {
        let rule = |resource: &str| {
            json!({
                "apiGroups": ["kyverno.io"], "apiVersions": ["v1", "v2beta1"], "operations": ["CREATE", "UPDATE"],
                "resources": [resource], "scope": "*",
            })
        };
        if validating {
            let rules = json!([rule("clusterpolicies"), rule("policies")]);
            self.webhook(
                "validate-policy.kyverno.svc",
                "/policyvalidate",
                FailurePolicy::Fail,
                &rules,
            )
        } else {
            let rules = json!([rule("clusterpolicies"), rule("policies")]);
            let webhook = self.webhook(
                "mutate-policy.kyverno.svc",
                "/policymutate",
                FailurePolicy::Fail,
                &rules,
            );
            with(
                webhook,
                &[
                    ("reinvocationPolicy", "IfNeeded".into()),
                    ("sideEffects", "NoneOnDryRun".into()),
                ],
            )
        }
    }

    fn exception_webhook(&self) -> Json {
        let rules = json!([{
            "apiGroups": ["kyverno.io"], "apiVersions": ["v2", "v2beta1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["policyexceptions"], "scope": "*",
        }]);
        self.webhook(self.service_host, "/exceptionvalidate", FailurePolicy::Fail, &rules)
    }

    fn resource_webhooks(&self, phase: Phase) -> Vec<Json> {
        let mut webhooks = Vec::new();
        for failure_policy in [FailurePolicy::Ignore, FailurePolicy::Fail] {
            let mut rules = Rules::default();
            let mut timeout = None;
            if self.auto_update {
                for policy in
                    self.of(failure_policy).filter(|policy| policy.match_conditions.is_empty())
                {
                    if rules.add(&policy.rules, phase, self.discovery) {
                        timeout = timeout
                            .max(Some(policy.timeout_seconds.unwrap_or(self.default_timeout)));
                    }
                }
            } else if !self.force_ignore || failure_policy == FailurePolicy::Ignore {
                rules.add_everything(phase);
            }
            if !rules.is_empty() {
                let conditions = self.configuration.match_conditions.clone();
                webhooks.push(self.resource_webhook(
                    phase,
                    failure_policy,
                    None,
                    timeout,
                    &rules,
                    conditions,
                ));
            }
        }
        if self.auto_update {
            for failure_policy in [FailurePolicy::Ignore, FailurePolicy::Fail] {
                for policy in
                    self.of(failure_policy).filter(|policy| !policy.match_conditions.is_empty())
                {
                    let mut rules = Rules::default();
                    rules.add(&policy.rules, phase, self.discovery);
                    if rules.is_empty() {
                        continue;
                    }
                    // COMPAT: Kyverno 1.19: a policy's own conditions replace those of the ConfigMap;
                    // test: a_policy_with_conditions_has_a_webhook_of_its_own
                    let conditions = policy
                        .match_conditions
                        .iter()
                        .map(|condition| json!({ "name": condition.name, "expression": condition.expression }))
                        .collect();
                    let timeout = policy.timeout_seconds;
                    let name = Some(&policy.policy);
                    webhooks.push(self.resource_webhook(
                        phase,
                        failure_policy,
                        name,
                        timeout,
                        &rules,
                        conditions,
                    ));
                }
            }
        }
        webhooks
    }

    fn of(&self, failure_policy: FailurePolicy) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.iter().filter(move |policy| {
            let effective =
                if self.force_ignore { FailurePolicy::Ignore } else { policy.failure_policy };
            effective == failure_policy
        })
    }

    fn resource_webhook(
        &self,
        phase: Phase,
        failure_policy: FailurePolicy,
        policy: Option<&PolicyName>,
        timeout: Option<u8>,
        rules: &Rules,
        conditions: Vec<Json>,
    ) -> Json {
        let (base, root) = match phase {
            Phase::Validating => ("validate.kyverno.svc", "/validate"),
            Phase::Mutating => ("mutate.kyverno.svc", "/mutate"),
        };
        let suffix = match failure_policy {
            FailurePolicy::Fail => "fail",
            FailurePolicy::Ignore => "ignore",
        };
        let (name, path) = match policy {
            None => (format!("{base}-{suffix}"), format!("{root}/{suffix}")),
            Some(policy) => (
                format!("{base}-{suffix}{FINE_GRAINED}{}", dashed(policy)),
                format!("{root}/{suffix}/finegrained/{policy}"),
            ),
        };
        let empty = || json!({});
        let selector = |selector: &Option<Json>| selector.clone().unwrap_or_else(empty);
        let mut webhook = with(
            self.webhook(&name, &path, failure_policy, &rules.to_json()),
            &[
                ("sideEffects", "NoneOnDryRun".into()),
                ("timeoutSeconds", timeout.unwrap_or(self.default_timeout).clamp(1, 30).into()),
                ("namespaceSelector", selector(&self.configuration.namespace_selector)),
                ("objectSelector", selector(&self.configuration.object_selector)),
            ],
        );
        if phase == Phase::Mutating {
            webhook = with(webhook, &[("reinvocationPolicy", "IfNeeded".into())]);
        }
        if !conditions.is_empty() {
            webhook = with(webhook, &[("matchConditions", conditions.into())]);
        }
        webhook
    }
}

fn with(mut webhook: Json, members: &[(&str, Json)]) -> Json {
    if let Some(webhook) = webhook.as_object_mut() {
        webhook.extend(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    webhook
}

/// What the metadata of a stored configuration must say to be as wanted, beside its webhooks.
pub(crate) fn same_metadata(wanted: &Json, stored: &Json) -> bool {
    let part = |object: &Json, name: &str| {
        object.get("metadata").and_then(|metadata| metadata.get(name)).cloned()
    };
    let contains = |name: &str| {
        let wanted: BTreeMap<String, Json> = part(wanted, name)
            .and_then(|part| serde_json::from_value(part).ok())
            .unwrap_or_default();
        let stored = part(stored, name).unwrap_or_default();
        wanted.iter().all(|(key, value)| stored.get(key) == Some(value))
    };
    let owners = |object: &Json| -> Vec<Json> {
        let owners = part(object, "ownerReferences").unwrap_or_default();
        owners
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|owner| owner.get("uid").cloned())
            .collect()
    };
    contains("labels") && contains("annotations") && owners(wanted) == owners(stored)
}

#[cfg(test)]
mod tests;
