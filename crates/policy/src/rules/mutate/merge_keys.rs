//! Which lists of built-in kinds a strategic merge merges, and by which members their items are told apart.
//!
//! The facts are in `merge_keys.txt`, which `cargo xtask merge-keys` takes from Kubernetes' OpenAPI document.
// COMPAT: Kyverno 1.19 carries the document of Kubernetes 1.21 and replaces lists that came later, such as
// `schedulingGates`; test: a_list_that_kubernetes_merges_is_merged_even_if_it_is_young
use smol_str::SmolStr;
use std::{collections::BTreeMap, sync::LazyLock};

static TYPES: LazyLock<Types> = LazyLock::new(|| Types::parse(include_str!("merge_keys.txt")));

/// All types through which a merge may pass.
#[derive(Debug, Default)]
struct Types {
    /// By `apiVersion` and kind.
    kinds: BTreeMap<(SmolStr, SmolStr), usize>,
    types: Vec<BTreeMap<SmolStr, Member>>,
}

/// One member of a type.
#[derive(Debug, Default)]
struct Member {
    /// `None` for what is no merged list; empty for a list that is a set of scalars.
    keys: Option<Vec<SmolStr>>,
    is_map: bool,
    of: Option<usize>,
}

/// What is known about one place of a document.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    /// An object of this type.
    Object(usize),
    /// Values of this type under names of any kind.
    MapOf(usize),
    /// A list that is merged: the member of a type that declares it.
    List(&'static [SmolStr], Option<usize>),
}

impl Shape {
    /// The shape of a whole object; `None` for kinds that are not built in, whose lists are replaced.
    pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<Self> {
        let key = (SmolStr::new(api_version), SmolStr::new(kind));
        TYPES.kinds.get(&key).map(|of| Self::Object(*of))
    }

    /// The shape of a member.
    pub(super) fn member(self, name: &str) -> Option<Self> {
        match self {
            Self::Object(of) => {
                let member = TYPES.types.get(of)?.get(name)?;
                match (&member.keys, member.of) {
                    (Some(keys), of) => Some(Self::List(keys, of)),
                    (None, Some(of)) if member.is_map => Some(Self::MapOf(of)),
                    (None, of) => of.map(Self::Object),
                }
            }
            Self::MapOf(of) => Some(Self::Object(of)),
            Self::List(..) => None,
        }
    }
}

impl Types {
    /// Reads the table. What is not in its form is passed over: a test reads every line.
    fn parse(text: &str) -> Self {
        let mut types = Self::default();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            match words.next() {
                Some("@") => {
                    let (Some(version), Some(kind), Some(of)) =
                        (words.next(), words.next(), words.next())
                    else {
                        continue;
                    };
                    let place = types.place(&mut places, of);
                    types.kinds.insert((SmolStr::new(version), SmolStr::new(kind)), place);
                }
                Some(name) => {
                    let members =
                        words
                            .map(|word| types.member(&mut places, word))
                            .collect::<Vec<(SmolStr, Member)>>();
                    let place = types.place(&mut places, name);
                    if let Some(slot) = types.types.get_mut(place) {
                        slot.extend(members);
                    }
                }
                None => {}
            }
        }
        types
    }

    fn place<'t>(&mut self, places: &mut BTreeMap<&'t str, usize>, name: &'t str) -> usize {
        *places.entry(name).or_insert_with(|| {
            self.types.push(BTreeMap::new());
            self.types.len() - 1
        })
    }

    /// `name`, then `[keys]` or `{}`, then `=type`.
    fn member<'t>(
        &mut self,
        places: &mut BTreeMap<&'t str, usize>,
        word: &'t str,
    ) -> (SmolStr, Member) {
        let (head, of) = match word.split_once('=') {
            Some((head, of)) => (head, Some(self.place(places, of))),
            None => (word, None),
        };
        if let Some(name) = head.strip_suffix("{}") {
            return (SmolStr::new(name), Member { keys: None, is_map: true, of });
        }
        let listed = head.strip_suffix(']').and_then(|head| head.split_once('['));
        let Some((name, keys)) = listed else {
            return (SmolStr::new(head), Member { keys: None, is_map: false, of });
        };
        let keys = keys.split(',').filter(|key| !key.is_empty()).map(SmolStr::new).collect();
        (SmolStr::new(name), Member { keys: Some(keys), is_map: false, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(api_version: &str, kind: &str, path: &[&str]) -> Option<Vec<String>> {
        let mut shape = Shape::of_kind(api_version, kind)?;
        for name in path {
            shape = match shape {
                Shape::List(_, of) => Shape::Object(of?).member(name)?,
                Shape::Object(_) | Shape::MapOf(_) => shape.member(name)?,
            };
        }
        let Shape::List(keys, _) = shape else { return None };
        Some(keys.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lists_of_built_in_kinds_have_their_merge_keys() {
        for (version, kind, path, expected) in [
            ("v1", "Pod", &["spec", "containers"][..], &["name"][..]),
            ("v1", "Pod", &["spec", "containers", "env"], &["name"]),
            ("v1", "Pod", &["spec", "containers", "ports"], &["containerPort", "protocol"]),
            ("v1", "Pod", &["spec", "containers", "volumeMounts"], &["mountPath"]),
            ("v1", "Pod", &["spec", "volumes"], &["name"]),
            ("v1", "Pod", &["spec", "imagePullSecrets"], &["name"]),
            ("v1", "Pod", &["spec", "hostAliases"], &["ip"]),
            ("v1", "Pod", &["metadata", "finalizers"], &[]),
            ("v1", "Pod", &["metadata", "ownerReferences"], &["uid"]),
            ("apps/v1", "Deployment", &["spec", "template", "spec", "initContainers"], &["name"]),
            (
                "batch/v1",
                "CronJob",
                &["spec", "jobTemplate", "spec", "template", "spec", "containers"],
                &["name"],
            ),
            ("v1", "Service", &["spec", "ports"], &["port", "protocol"]),
            ("v1", "ServiceAccount", &["secrets"], &["name"]),
            ("v1", "ConfigMap", &["metadata", "ownerReferences"], &["uid"]),
            (
                "admissionregistration.k8s.io/v1",
                "ValidatingWebhookConfiguration",
                &["webhooks"],
                &["name"],
            ),
        ] {
            let found = keys(version, kind, path);
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(found, Some(expected), "{version} {kind} {path:?}");
        }
    }

    #[test]
    fn other_lists_and_other_kinds_are_not_merged() {
        assert_eq!(keys("v1", "Pod", &["spec", "tolerations"]), None);
        assert_eq!(keys("v1", "Pod", &["spec", "containers", "args"]), None);
        assert_eq!(keys("networking.k8s.io/v1", "Ingress", &["spec", "rules"]), None);
        assert!(Shape::of_kind("example.com/v1", "Pod").is_none());
    }

    #[test]
    fn every_line_of_the_table_is_read_and_every_type_is_described() {
        let table = include_str!("merge_keys.txt");
        let kinds = table.lines().filter(|line| line.starts_with('@')).count();
        assert_eq!(TYPES.kinds.len(), kinds);
        assert!(kinds > 90, "{kinds}");
        assert!(TYPES.types.iter().all(|members| !members.is_empty()));
    }
}
