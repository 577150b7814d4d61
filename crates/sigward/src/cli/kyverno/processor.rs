//! Policies over one resource in the peer's order: mutate, verify images, validate, generate; what is mutated flows on.
use super::{
    input::Loaded,
    kinds,
    values::{UserInfo, Values, merged},
};
use crate::sources::{Sources, now};
use sigward_document::Value;
use sigward_policy::{
    compile::{Exception, Policy},
    decision::{Decision, RuleOutcome, RuleType, Status},
    evaluate::NoProbe,
    request::{
        GroupVersionKind, GroupVersionResource, Lazy, Operation, Request, Selection, Stage, plural,
    },
    resolve::Resolution,
    snapshot::{Settings, Snapshot},
};
use smol_str::SmolStr;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What one policy said about one resource in one phase.
#[derive(Debug)]
pub(crate) struct Response {
    /// Place of the policy among those given.
    pub(crate) policy: usize,
    /// The resource after it.
    pub(crate) object: Value,
    /// One for each rule that applied.
    pub(crate) rules: Vec<RuleOutcome>,
    /// Objects that generate rules made, by rule.
    pub(crate) generated: Vec<(SmolStr, Value)>,
}

impl Response {
    /// Other objects that mutate rules changed, as they are afterwards.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Value> {
        self.rules.iter().filter_map(|rule| rule.target.as_ref())
    }
}

/// A part of the work, and which policies take part in it.
type Phase = (Stage, fn(&Policy) -> bool);

/// Policies that are ready to be asked, with what stands for the rest of the world.
pub(crate) struct Processor<'p> {
    snapshot: Arc<Snapshot>,
    /// Compiled policies with their place among those given.
    policies: Vec<(usize, Arc<Policy>)>,
    sources: Arc<Sources>,
    values: &'p Values,
    user: Option<&'p UserInfo>,
    runtime: Handle,
}

impl<'p> Processor<'p> {
    /// Takes the policies that compile, in their order.
    pub(crate) fn new(
        policies: &[Loaded],
        exceptions: Vec<Arc<Exception>>,
        settings: Arc<Settings>,
        sources: Arc<Sources>,
        values: &'p Values,
        user: Option<&'p UserInfo>,
        runtime: Handle,
    ) -> Self {
        let policies: Vec<(usize, Arc<Policy>)> = policies
            .iter()
            .enumerate()
            .filter_map(|(at, loaded)| Some((at, Arc::clone(loaded.compiled.as_ref().ok()?))))
            .collect();
        let all = policies.iter().map(|(_, policy)| Arc::clone(policy)).collect();
        let snapshot = Arc::new(Snapshot::new(1, all, exceptions, settings));
        Self { snapshot, policies, sources, values, user, runtime }
    }

    /// Every policy over one resource; an operation from elsewhere wins over what values say.
    pub(crate) fn apply(&self, resource: &Value, operation: Option<Operation>) -> Vec<Response> {
        let mut responses: Vec<Response> = Vec::new();
        let mut object = resource.clone();
        let phases: [Phase; 4] = [
            (Stage::Mutating, |policy| policy.rule_counts().mutate > 0),
            (Stage::Mutating, |policy| {
                policy.rule_counts().mutate == 0 && policy.rule_counts().verify_images > 0
            }),
            (Stage::Validating, |policy| {
                let counts = policy.rule_counts();
                counts.validate > 0 || counts.verify_images > 0
            }),
            (Stage::Generating, |policy| policy.rule_counts().generate > 0),
        ];
        for (stage, takes_part) in phases {
            for (at, policy) in self.policies.iter().filter(|(_, policy)| takes_part(policy)) {
                let counts = policy.rule_counts();
                // A policy that is for background scans only takes part in whole passes alone.
                let whole =
                    stage == Stage::Validating && counts.mutate == 0 && counts.verify_images == 0;
                let stage = if whole { Stage::All } else { stage };
                let decision = self.decide(policy, &object, stage, operation);
                let Decision { rules, object: changed, generated, .. } = decision;
                if stage == Stage::Mutating && !changed.is_null() {
                    object = changed;
                }
                let rules = rules.into_iter().filter(|rule| !repeats(&responses, *at, rule));
                responses.push(Response {
                    policy: *at,
                    rules: rules.collect(),
                    object: object.clone(),
                    generated: generated.into_iter().map(|one| (one.rule, one.object)).collect(),
                });
            }
        }
        responses
    }

    fn decide(
        &self,
        policy: &Policy,
        object: &Value,
        stage: Stage,
        operation: Option<Operation>,
    ) -> Decision {
        let request = Arc::new(self.request(policy, object, stage, operation));
        let mut resolution = Resolution::new(
            Arc::clone(&self.snapshot),
            request,
            Arc::clone(&self.sources) as _,
            Arc::clone(&self.sources) as _,
            Box::new(NoProbe),
        );
        self.runtime.block_on(resolution.run())
    }

    /// The admission request that this would be.
    fn request(
        &self,
        policy: &Policy,
        object: &Value,
        stage: Stage,
        operation: Option<Operation>,
    ) -> Request {
        let text = |path: &[&str]| object.str_at(path).unwrap_or_default();
        let (group, version) = kinds::group_version(text(&["apiVersion"]));
        let kind = text(&["kind"]);
        let name = text(&["metadata", "name"]);
        let said = self.values.said(&policy.name().name, name, operation);
        let over = |over: Option<&Value>| match over {
            Some(over) => merged(object, over),
            None => object.clone(),
        };
        let (new, old) = match said.operation {
            Operation::Create | Operation::Connect => {
                (Lazy::from_value(over(said.object.as_ref())), Lazy::empty())
            }
            Operation::Update => (
                Lazy::from_value(over(said.object.as_ref())),
                Lazy::from_value(over(said.old_object.as_ref())),
            ),
            Operation::Delete => (Lazy::empty(), Lazy::from_value(over(said.old_object.as_ref()))),
        };
        let written =
            GroupVersionKind { group: group.into(), version: version.into(), kind: kind.into() };
        let parent = self.values.subresources.iter().find(|one| one.kind == written);
        let (kind, sub_resource) = match parent {
            Some(one) => (one.parent.clone(), one.name.clone()),
            None => (written, "".into()),
        };
        Request {
            uid: "".into(),
            parent: None,
            resource: GroupVersionResource {
                group: kind.group.clone(),
                version: kind.version.clone(),
                resource: plural(&kind.kind).into(),
            },
            kind,
            sub_resource,
            name: name.into(),
            namespace: text(&["metadata", "namespace"]).into(),
            operation: said.operation,
            user: self.user.map(|info| info.user.clone()),
            object: new,
            old_object: old,
            options: Lazy::empty(),
            dry_run: false,
            stage,
            selection: Selection::One(policy.name().clone()),
            now: now(),
            seed: 0,
            presets: said.presets,
        }
    }
}

/// Whether the checks of images only say again that what could not be verified is not verified.
fn repeats(earlier: &[Response], policy: usize, rule: &RuleOutcome) -> bool {
    rule.rule_type == RuleType::ImageVerify
        && earlier.iter().filter(|response| response.policy == policy).any(|response| {
            response.rules.iter().any(|said| {
                said.rule == rule.rule && matches!(said.status, Status::Fail | Status::Error)
            })
        })
}
