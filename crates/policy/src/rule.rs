//! A compiled rule: what it is about, what it needs, what it does.
use crate::{
    conditions::Conditions,
    context::entry::ContextEntry,
    decision::RuleType,
    images::extract::Extractor,
    matching::{Block, selector::Selector},
    request::Operation,
    rules::{
        generate::Generate,
        mutate::{Mutate, targets::MutateExisting},
        validate::Validate,
        verify_images::VerifyImages,
    },
    snapshot::FailureAction,
    variables::Template,
};
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::Arc};

/// One rule, checked.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Its name, with the autogen prefix.
    pub(crate) name: SmolStr,
    /// The only kinds that it is about, where it was generated.
    pub(crate) only: Option<Vec<SmolStr>>,
    /// What it is about.
    pub(crate) matches: Block,
    /// What it is not about.
    pub(crate) exclude: Block,
    /// Data by name.
    pub(crate) context: Vec<ContextEntry>,
    /// When they do not hold, the rule is skipped.
    pub(crate) preconditions: Conditions,
    /// Where images stand in other kinds.
    pub(crate) extractors: BTreeMap<SmolStr, Vec<Extractor>>,
    /// `reportProperties`, in which variables may stand.
    pub(crate) properties: Vec<(SmolStr, Template)>,
    /// What it does.
    pub(crate) action: Action,
}

/// What a rule does.
#[derive(Debug)]
pub(crate) enum Action {
    /// `validate`.
    Validate(Box<Validate>),
    /// `mutate`.
    Mutate(Box<Mutate>),
    /// `mutate` with `targets`.
    MutateExisting(Box<MutateExisting>),
    /// `generate`.
    Generate(Box<Generate>),
    /// `verifyImages`.
    VerifyImages(Box<VerifyImages>),
    /// None: the stored policy does not compile.
    Unusable(Unusable),
}

/// A rule of a stored policy that does not compile: an error wherever its match is readable, never "no match".
#[derive(Clone, Debug)]
pub(crate) struct Unusable {
    /// What is wrong with the policy.
    pub(crate) reason: Arc<str>,
    /// What it would have been.
    pub(crate) rule_type: RuleType,
    /// The action that the rule names, if it does.
    pub(crate) action: Option<FailureAction>,
    /// Other actions for some namespaces; the first that matches wins.
    pub(crate) overrides: Vec<Override>,
}

impl Unusable {
    /// Whether the rule would have looked at such a request: a policy that cannot be used keeps nobody from deleting.
    pub(crate) fn is_for(&self, operation: Operation) -> bool {
        self.rule_type == RuleType::Validation
            || matches!(operation, Operation::Create | Operation::Update)
    }
}

impl Action {
    /// The same in the words of reports.
    pub(crate) fn rule_type(&self) -> RuleType {
        match self {
            Self::Validate(_) => RuleType::Validation,
            Self::Mutate(_) | Self::MutateExisting(_) => RuleType::Mutation,
            Self::Generate(_) => RuleType::Generation,
            Self::VerifyImages(_) => RuleType::ImageVerify,
            Self::Unusable(unusable) => unusable.rule_type,
        }
    }
}

/// `validationFailureAction` and what overrides it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FailureActions {
    /// Where nothing else is said.
    pub(crate) default: FailureAction,
    /// The first that matches the namespace wins.
    pub(crate) overrides: Vec<Override>,
}

/// One entry of `validationFailureActionOverrides`.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    /// The action there.
    pub(crate) action: FailureAction,
    /// Wildcards; empty asks nothing.
    pub(crate) namespaces: Vec<SmolStr>,
    /// Over the namespace's labels.
    pub(crate) selector: Option<Selector>,
}
