//! `validate.podSecurity`: the Pod Security Standards of Kubernetes, and what a policy or an exception takes out of them.
//!
//! SPEC: <https://kubernetes.io/docs/concepts/security/pod-security-standards/>. A check names the fields that break it, since exclusions are
//! written by field and value.
mod baseline;
mod check;
mod exclusion;
mod field;
mod pod;
mod restricted;
mod version;

pub(crate) use check::{Level, is_control_of};
pub(crate) use exclusion::Exclusion;
pub(crate) use pod::Unreadable;
pub(crate) use version::Version;

use check::{CHECKS, Check, Found};
use pod::{Container, Pod, Template};
use sigward_document::Value;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// The rule, checked.
#[derive(Debug)]
pub(crate) struct PodSecurity {
    /// How much is forbidden.
    pub(crate) level: Level,
    /// Of which release.
    pub(crate) version: Version,
    /// The version as the policy writes it: messages and reports repeat it, empty as it may be.
    pub(crate) written_version: SmolStr,
    /// What is allowed nevertheless.
    pub(crate) exclude: Vec<Exclusion>,
}

/// What one object breaks, and what of that is left once exclusions have had their say.
#[derive(Debug)]
pub(crate) struct Findings<'v> {
    level: Level,
    version: Version,
    written_version: SmolStr,
    template: Template,
    pod: Pod<'v>,
    broken: Vec<Broken>,
}

/// Fields, and images, of a check that are named: a Pod may hold a hundred thousand containers, and messages and
/// reports have to be sent and stored.
const MAX_NAMED: usize = 100;

/// One check that the object breaks.
#[derive(Debug)]
struct Broken {
    check: &'static Check,
    found: Found,
    /// Places in `found.errors`. INVARIANT: empty only where a check names no field at all.
    left: Vec<usize>,
}

impl PodSecurity {
    /// Looks at a Pod or at the Pod template of one of its controllers.
    ///
    /// # Errors
    /// The object has no Pod template that is known here, or a field of it is of the wrong type: what cannot be read is
    /// never taken for unset.
    pub(crate) fn examine<'v>(&self, object: &'v Value) -> Result<Findings<'v>, Unreadable> {
        let template = Template::of(object)?;
        let pod = template.read(object)?;
        let broken = run(self.level, self.version, &pod)
            .map(|(check, found)| Broken { check, left: (0..found.errors.len()).collect(), found })
            .collect();
        let mut findings = Findings {
            level: self.level,
            version: self.version,
            written_version: self.written_version.clone(),
            template,
            pod,
            broken,
        };
        for exclusion in &self.exclude {
            findings.exempt(exclusion);
        }
        Ok(findings)
    }
}

/// The checks of a level that a Pod breaks, in their order.
fn run<'p>(
    level: Level,
    version: Version,
    pod: &'p Pod<'_>,
) -> impl Iterator<Item = (&'static Check, Found)> + use<'p> {
    CHECKS
        .iter()
        .filter(move |check| level.includes(check.level))
        .filter_map(move |check| Some((check, (check.run)(pod, version)?)))
}

impl Findings<'_> {
    /// Whether nothing is left.
    pub(crate) fn is_clean(&self) -> bool {
        self.broken.is_empty()
    }

    /// Takes out what an exclusion allows.
    ///
    /// The checks run again over the Pod reduced to what the exclusion speaks of; each field that is broken there, and
    /// that the exclusion covers, is taken out. Which fields those are never depends on other exclusions, so two
    /// together allow what one of them allows and nothing else.
    // COMPAT: Kyverno 1.19: there each exclusion takes out the first remaining field of the same shape, and two of them
    // may allow what neither names; test: two_exclusions_never_allow_what_neither_does
    pub(crate) fn exempt(&mut self, exclusion: &Exclusion) {
        let by_image = !exclusion.images.is_empty();
        let reduced = if by_image {
            self.pod.only(|image| exclusion.covers_image(image))
        } else {
            self.pod.with_containers(vec![Container::fake()])
        };
        for (check, found) in run(self.level, self.version, &reduced) {
            if check.control != exclusion.control.as_str() {
                continue;
            }
            let Some(at) = self.broken.iter().position(|b| b.check.id == check.id) else {
                continue;
            };
            let Some(Broken { found: whole, left, .. }) = self.broken.get_mut(at) else { continue };
            let whole: &Found = whole;
            let mut allowed = BTreeSet::new();
            for error in found.errors.iter().filter(|error| exclusion.covers(error)) {
                // COMPAT: Kyverno 1.19: without images, the container that stands for none takes out the first of its
                // kind; test: a_control_excluded_without_images_covers_one_container
                if by_image || !error.container {
                    allowed.insert(error.field.as_str());
                    continue;
                }
                let shape = error.shape();
                let mut real = whole.errors.iter();
                let first = real.find(|real| real.shape() == shape && exclusion.covers(real));
                allowed.extend(first.map(|real| real.field.as_str()));
            }
            let field = |at: usize| whole.errors.get(at).map(|real| real.field.as_str());
            left.retain(|at| field(*at).is_none_or(|field| !allowed.contains(field)));
            if left.is_empty() && !whole.errors.is_empty() {
                self.broken.remove(at);
            }
        }
    }

    /// `Validation rule 'r' failed. It violates PodSecurity "baseline:latest": (Forbidden reason: …, field error list: […])`.
    pub(crate) fn message(&self, rule: &str) -> String {
        let mut text = format!(
            "Validation rule '{rule}' failed. It violates PodSecurity \"{}:{}\": ",
            self.level.as_str(),
            self.written_version
        );
        for broken in &self.broken {
            text.push_str("(Forbidden reason: ");
            text.push_str(broken.found.reason);
            text.push_str(", field error list: [");
            let errors = broken.left.iter().filter_map(|at| broken.found.errors.get(*at));
            for (i, error) in errors.take(MAX_NAMED).enumerate() {
                if i > 0 {
                    text.push_str(", ");
                }
                error.render(&self.template.rewrite(&error.field), &mut text);
            }
            if let Some(more) = broken.left.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
                text.push_str(", and ");
                text.push_str(&more.to_string());
                text.push_str(" more");
            }
            text.push_str("])");
        }
        text
    }

    /// What the report says besides: standard, version, and the controls with the images they were broken by.
    /// `normal` gives the normal form of an image, where it has one;
    /// the container's name stands where it has none.
    pub(crate) fn properties(
        &self,
        normal: impl Fn(&str) -> Option<SmolStr>,
    ) -> Vec<(SmolStr, String)> {
        if self.broken.is_empty() {
            return Vec::new();
        }
        let ids: Vec<&str> = self.broken.iter().map(|b| b.check.id).collect();
        let image_of = self.pod.images();
        let image = |name: &SmolStr| {
            let image = image_of.get(name).copied().and_then(&normal);
            image.unwrap_or_else(|| name.clone())
        };
        let controls: Vec<Control<'_>> = self
            .broken
            .iter()
            .map(|broken| Control {
                id: broken.check.id,
                name: broken.check.control,
                images: broken
                    .found
                    .named
                    .as_ref()
                    .map(|named| named.iter().take(MAX_NAMED).map(image).collect()),
            })
            .collect();
        let json = serde_json::to_string(&controls).unwrap_or_default();
        vec![
            (SmolStr::new_static("standard"), self.level.as_str().to_owned()),
            (SmolStr::new_static("version"), self.written_version.to_string()),
            (SmolStr::new_static("controls"), ids.join(",")),
            (SmolStr::new_static("controlsJSON"), json),
        ]
    }
}

/// One entry of `controlsJSON`, with the names that readers of reports know.
#[derive(serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Control<'c> {
    #[serde(rename = "ID")]
    id: &'c str,
    name: &'c str,
    images: Option<Vec<SmolStr>>,
}

/// Words in order, each once, as Kubernetes lists values.
fn sorted<'w>(words: impl IntoIterator<Item = &'w str>) -> Vec<SmolStr> {
    let set: BTreeSet<&str> = words.into_iter().collect();
    set.into_iter().map(SmolStr::new).collect()
}

#[cfg(test)]
mod tests;
