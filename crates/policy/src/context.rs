//! What the names in a rule mean: `request`, `images`, context entries, frames of the moment.
//!
//! Entries are loaded when an expression first reads them; while one is loaded only those declared before it
//! are seen, so that a second declaration of a name may build on the first.
pub(crate) mod entry;
pub(crate) mod foreach;
mod names;
mod presets;
mod request;

use crate::{
    compile::Policy,
    fact::{Addresses, Facts},
    images::{
        Images,
        extract::{Extractor, Transform, extract},
    },
    request::{Operation, Request},
    snapshot::Settings,
    stop::{RuleError, Stop},
    variables::{Resolver, Unresolved},
};
use entry::{ContextEntry, Source};
use names::Names;
use presets::Overlay;
use sigward_document::{Frame, Value};
use sigward_jmespath::{CallSite, EvaluateError, Expression, Functions, Host, Roots};
use smol_str::SmolStr;
use std::{collections::BTreeMap, net::IpAddr};

/// Everything one rule is evaluated with.
pub(crate) struct Context<'e> {
    /// The request; its object may be older than [`Self::object`].
    pub(crate) request: &'e Request,
    /// The process's settings.
    pub(crate) settings: &'e Settings,
    /// The functions of the language.
    pub(crate) functions: &'e Functions,
    /// What is known.
    pub(crate) facts: &'e mut Facts,
    /// The rule's policy.
    pub(crate) policy: &'e Policy,
    /// The object after earlier phases, and after earlier steps of the rule.
    pub(crate) object: Value,
    entries: Vec<&'e ContextEntry>,
    extractors: &'e BTreeMap<SmolStr, Vec<Extractor>>,
    loaded: Vec<Option<Value>>,
    visible: usize,
    size: u64,
    base: BTreeMap<SmolStr, Value>,
    frames: Vec<(Frame, Value)>,
    images: Option<Images>,
    visited: usize,
    identity: u64,
    presets: Overlay<'e>,
}

/// Names that always exist, wherever they come from.
const RESERVED: [&str; 4] = ["request", "images", "serviceAccountName", "serviceAccountNamespace"];

/// The parts of a [`Context`] that do not change while a rule runs.
pub(crate) struct Ground<'e> {
    /// The request.
    pub(crate) request: &'e Request,
    /// The process's settings.
    pub(crate) settings: &'e Settings,
    /// The functions of the language.
    pub(crate) functions: &'e Functions,
    /// The rule's policy.
    pub(crate) policy: &'e Policy,
    /// The rule's name, for random numbers.
    pub(crate) rule: &'e str,
    /// The object after earlier phases.
    pub(crate) object: &'e Value,
    /// The rule's context entries.
    pub(crate) entries: &'e [ContextEntry],
    /// The rule's image extractors.
    pub(crate) extractors: &'e BTreeMap<SmolStr, Vec<Extractor>>,
}

impl<'e> Context<'e> {
    /// A context in which nothing is loaded yet.
    pub(crate) fn new(ground: &Ground<'e>, facts: &'e mut Facts) -> Self {
        let policy = ground.policy.name();
        Self {
            request: ground.request,
            settings: ground.settings,
            functions: ground.functions,
            facts,
            policy: ground.policy,
            object: ground.object.clone(),
            entries: ground.entries.iter().collect(),
            extractors: ground.extractors,
            loaded: vec![None; ground.entries.len()],
            visible: ground.entries.len(),
            size: 0,
            base: BTreeMap::new(),
            frames: Vec::new(),
            images: None,
            visited: 0,
            identity: hash([&policy.namespace, &policy.name, ground.rule]),
            presets: Overlay::new(ground.request.presets.as_deref(), ground.rule),
        }
    }

    /// Runs with more names on top; they are gone afterwards.
    pub(crate) fn within<T>(
        &mut self,
        frame: Frame,
        names: Value,
        run: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.frames.push((frame, names));
        let result = run(self);
        self.frames.pop();
        result
    }

    /// The images of the object, found once.
    pub(crate) fn images(&mut self) -> Result<&Images, Stop> {
        if self.images.is_none() {
            let kind = self.request.kind.kind.clone();
            let object = self.object.clone();
            let extractors = self.extractors;
            let settings = self.settings;
            let found = extract(&object, &kind, extractors, settings, self)?;
            self.images = Some(found);
        }
        self.images
            .as_ref()
            .ok_or_else(|| RuleError::Images("no images were looked for".into()).into())
    }

    /// Evaluates an expression over all names.
    pub(crate) fn query(&mut self, expression: &Expression) -> Result<Value, Unresolved> {
        self.prepare(expression)?;
        let names = Names {
            base: &self.base,
            entries: &self.entries,
            loaded: &self.loaded,
            visible: self.visible,
            frames: &self.frames,
        };
        let mut host = Outside {
            facts: self.facts,
            now: self.request.now.0.saturating_mul(1_000_000_000),
            seed: self.request.seed ^ self.identity,
        };
        expression.evaluate(&names, self.functions, &mut host).map_err(|e| unresolved(&e))
    }

    /// Evaluates an expression over one value.
    pub(crate) fn query_over(
        &mut self,
        expression: &Expression,
        root: &Value,
    ) -> Result<Value, Unresolved> {
        let mut host = Outside {
            facts: self.facts,
            now: self.request.now.0.saturating_mul(1_000_000_000),
            seed: self.request.seed ^ self.identity,
        };
        expression.evaluate(root, self.functions, &mut host).map_err(|e| unresolved(&e))
    }

    /// Loads whatever the expression may read.
    fn prepare(&mut self, expression: &Expression) -> Result<(), Unresolved> {
        let roots = expression.roots();
        let wanted: Vec<usize> = (0..self.visible)
            .rev()
            .filter(|index| {
                self.entries.get(*index).is_some_and(|entry| {
                    roots.contains(&entry.name) && self.is_last(*index, &entry.name)
                })
            })
            .collect();
        for index in wanted.into_iter().rev() {
            if !self.is_preset(index) {
                self.load(index).map_err(|stop| match stop {
                    // COMPAT: Kyverno 1.19: an entry whose expression finds nothing is a variable that finds nothing;
                    // test: an_entry_that_finds_nothing_is_a_variable_that_finds_nothing
                    Stop::Error(RuleError::Computed(reason)) => Unresolved::Failed(reason),
                    stop @ (Stop::Suspended | Stop::Error(_)) => Unresolved::Stopped(stop),
                })?;
            }
        }
        self.presets.put(&mut self.base, &self.frames);
        for name in RESERVED {
            // With all names asked for, `images` is only there when it can be told.
            let quiet = name == "images" && roots == Roots::All;
            if roots.contains(name) {
                match self.reserve(name, expression.text()) {
                    Ok(()) => {}
                    Err(Stop::Error(_)) if quiet => {}
                    Err(Stop::Error(error @ RuleError::Images(_))) => {
                        return Err(Unresolved::Failed(error.to_string()));
                    }
                    Err(stop) => return Err(Unresolved::Stopped(stop)),
                }
            }
        }
        Ok(())
    }

    /// Whether a values file stands for this entry: what would be asked of a cluster or a registry is not asked.
    fn is_preset(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(|entry| {
            !matches!(entry.source, Source::Variable { .. }) && self.presets.has(&entry.name)
        })
    }

    /// Whether this entry is the one that its name means at this point.
    fn is_last(&self, index: usize, name: &str) -> bool {
        self.entries
            .get(index + 1..self.visible)
            .is_none_or(|later| later.iter().all(|entry| entry.name != name))
    }

    fn load(&mut self, index: usize) -> Result<(), Stop> {
        let (Some(entry), Some(None)) = (self.entries.get(index), self.loaded.get(index)) else {
            return Ok(());
        };
        let entry: &'e ContextEntry = entry;
        let visible = std::mem::replace(&mut self.visible, index);
        let loaded = entry.load(self);
        self.visible = visible;
        let value = loaded?;
        let limit = self.settings.max_context_size;
        if limit > 0 {
            self.size += u64::try_from(value.to_json().len()).unwrap_or(u64::MAX);
            if self.size > limit {
                return Err(RuleError::ContextSize { size: self.size, limit }.into());
            }
        }
        if let Some(slot) = self.loaded.get_mut(index) {
            *slot = Some(value);
        }
        Ok(())
    }

    fn reserve(&mut self, name: &'static str, text: &str) -> Result<(), Stop> {
        let with_roles = name == "request" && text.contains("oles");
        if self.base.contains_key(name) && !with_roles {
            return Ok(());
        }
        // COMPAT: Kyverno 1.19: without a user there is no service account, not an empty one; test: without_a_user_there_is_no_service_account
        if name.starts_with("serviceAccount") && self.request.user.is_none() {
            if self.presets.has(name) {
                let value = self.presets.over(name, Value::NULL);
                self.base.insert(SmolStr::new_static(name), value);
            }
            return Ok(());
        }
        let value = match name {
            "request" => {
                let known = self.base.get(name);
                let plain = match known {
                    Some(known) => known.clone(),
                    None => request::variable(self.request, &self.object)?,
                };
                if with_roles {
                    request::with_roles(&plain, self.request, self.facts)?
                } else {
                    plain
                }
            }
            "images" => self.images()?.variable(),
            "serviceAccountName" => Value::string(request::service_account(self.request).1),
            _ => Value::string(request::service_account(self.request).0),
        };
        self.base.insert(SmolStr::new_static(name), self.presets.over(name, value));
        Ok(())
    }
}

impl Resolver for Context<'_> {
    fn resolve(&mut self, _text: &str, expression: &Expression) -> Result<Value, Unresolved> {
        self.query(expression)
    }

    fn is_delete(&self) -> bool {
        self.request.operation == Operation::Delete
    }
}

impl Transform for Context<'_> {
    fn transform(&mut self, expression: &Expression, text: &Value) -> Result<Value, Stop> {
        self.query_over(expression, text).map_err(|unresolved| match unresolved {
            Unresolved::Stopped(stop) => stop,
            Unresolved::Failed(reason) => RuleError::Images(reason).into(),
        })
    }
}

fn unresolved(error: &EvaluateError) -> Unresolved {
    if matches!(error, EvaluateError::Suspended) {
        Unresolved::Stopped(Stop::Suspended)
    } else {
        Unresolved::Failed(format!("JMESPath query failed: {error}"))
    }
}

/// What functions ask of the request.
struct Outside<'f> {
    facts: &'f mut Facts,
    now: i64,
    seed: u64,
}

impl Host for Outside<'_> {
    fn now(&self) -> i64 {
        self.now
    }

    fn random(&mut self, site: CallSite) -> u64 {
        [site.expression, u64::from(site.offset), u64::from(site.turn)]
            .into_iter()
            .fold(self.seed, |state, part| mix(state ^ part))
    }

    fn addresses(
        &mut self,
        name: &str,
    ) -> Result<Result<Vec<IpAddr>, String>, sigward_jmespath::Suspended> {
        let answer = self
            .facts
            .ask(Addresses(SmolStr::new(name)))
            .map_err(|_| sigward_jmespath::Suspended)?;
        Ok(match answer {
            Ok(Some(found)) => {
                let items = found.as_list().unwrap_or_default();
                Ok(items.iter().filter_map(|a| a.as_str()?.parse().ok()).collect())
            }
            Ok(None) => Err(format!("lookup {name}: no such host")),
            Err(cause) => Err(format!("lookup {name}: {}", crate::message::cause(&cause))),
        })
    }
}

/// FNV-1a over the parts: only spreads random numbers over rules.
fn hash(parts: [&str; 3]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// One step of SplitMix64: spreads every bit of the input over the output.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
