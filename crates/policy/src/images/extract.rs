//! Finds the images of an object: in Pods and their controllers, or where a rule's extractors point.
use crate::{
    images::{Image, Images},
    snapshot::Settings,
    stop::{RuleError, Stop},
};
use sigward_document::{Value, View, pointer};
use sigward_jmespath::Expression;
use sigward_oci::kyverno_reference;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Images of one object. More is an error of the rule.
pub(crate) const MAX_IMAGES: usize = 512;

/// One entry of `imageExtractors[<Kind>]`, checked.
#[derive(Clone, Debug)]
pub(crate) struct Extractor {
    /// Members from the root; `*` walks a list or a map.
    pub(crate) path: Vec<SmolStr>,
    /// The member that holds the image.
    pub(crate) value: SmolStr,
    /// The member that names the image in its group; the pointer when absent.
    pub(crate) key: Option<SmolStr>,
    /// The group in the variable `images`.
    pub(crate) group: SmolStr,
    /// Transforms the text.
    pub(crate) jmes_path: Option<Expression>,
}

/// Evaluates an extractor's expression over the text of a field.
pub(crate) trait Transform {
    /// The result; anything but a string is an error of the caller.
    fn transform(&mut self, expression: &Expression, text: &Value) -> Result<Value, Stop>;
}

/// Lists of containers in a pod specification.
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Where a kind keeps its pod specification. By kind alone, as upstream.
fn pod_spec_path(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "Pod" => Some(&["spec"]),
        "Deployment"
        | "DaemonSet"
        | "StatefulSet"
        | "ReplicaSet"
        | "ReplicationController"
        | "Job" => Some(&["spec", "template", "spec"]),
        "CronJob" => Some(&["spec", "jobTemplate", "spec", "template", "spec"]),
        _ => None,
    }
}

/// All images of an object. A rule's extractors for the kind replace the built-in ones.
pub(crate) fn extract(
    object: &Value,
    kind: &str,
    extractors: &BTreeMap<SmolStr, Vec<Extractor>>,
    settings: &Settings,
    transform: &mut dyn Transform,
) -> Result<Images, Stop> {
    let mut finder = Finder { settings, images: Images::default(), transform };
    if let Some(own) = extractors.get(kind) {
        for extractor in own {
            let mut secrets = Vec::new();
            finder.walk(object, extractor, &extractor.path, &mut Vec::new(), &mut secrets)?;
        }
    } else if let Some(path) = pod_spec_path(kind) {
        finder.pod(object, path)?;
    }
    Ok(finder.images)
}

struct Finder<'f> {
    settings: &'f Settings,
    images: Images,
    transform: &'f mut dyn Transform,
}

impl Finder<'_> {
    fn pod(&mut self, object: &Value, path: &[&str]) -> Result<(), Stop> {
        let Some(spec) = object.at_path(path) else { return Ok(()) };
        self.images.pull_secrets = pull_secrets(spec);
        let base = path.join("/");
        for list in LISTS {
            let containers = spec.get(list).and_then(Value::as_list).unwrap_or_default();
            for (index, container) in containers.iter().enumerate() {
                let Some(image) = container.get("image") else { continue };
                let key = container.get("name").and_then(Value::as_str).unwrap_or_default();
                let pointer = format!("/{base}/{list}/{index}/image");
                self.push(list, key, pointer, image)?;
            }
        }
        // COMPAT: Kyverno 1.19: image volumes run unchecked there; test: init_containers_and_image_volumes_are_covered
        let volumes = spec.get("volumes").and_then(Value::as_list).unwrap_or_default();
        for (index, volume) in volumes.iter().enumerate() {
            let Some(image) = volume.at_path(&["image", "reference"]) else { continue };
            let key = volume.get("name").and_then(Value::as_str).unwrap_or_default();
            let pointer = format!("/{base}/volumes/{index}/image/reference");
            self.push("imageVolumes", key, pointer, image)?;
        }
        Ok(())
    }

    fn walk(
        &mut self,
        node: &Value,
        extractor: &Extractor,
        path: &[SmolStr],
        at: &mut Vec<SmolStr>,
        secrets: &mut Vec<SmolStr>,
    ) -> Result<(), Stop> {
        let seen = pull_secrets(node);
        if !seen.is_empty() {
            *secrets = seen;
        }
        let Some((segment, rest)) = path.split_first() else {
            return self.leaf(node, extractor, at, secrets);
        };
        if segment == "*" {
            let children: Vec<(SmolStr, &Value)> = match node.view() {
                View::List(items) => items
                    .iter()
                    .enumerate()
                    .map(|(i, v)| (SmolStr::new(i.to_string()), v))
                    .collect(),
                View::Map(map) => map.iter().map(|(k, v)| (SmolStr::new(k), v)).collect(),
                View::Null => Vec::new(),
                View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {
                    return Err(wrong(at, "a list or a map"));
                }
            };
            for (name, child) in children {
                at.push(name);
                let walked = self.walk(child, extractor, rest, at, secrets);
                at.pop();
                walked?;
            }
            return Ok(());
        }
        let child = match node.view() {
            View::Map(map) => map.get(segment),
            View::List(items) => segment.parse::<usize>().ok().and_then(|i| items.get(i)),
            View::Null => None,
            View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {
                return Err(wrong(at, "a map"));
            }
        };
        let Some(child) = child else { return Ok(()) };
        at.push(segment.clone());
        let walked = self.walk(child, extractor, rest, at, secrets);
        at.pop();
        walked
    }

    fn leaf(
        &mut self,
        node: &Value,
        extractor: &Extractor,
        at: &[SmolStr],
        secrets: &[SmolStr],
    ) -> Result<(), Stop> {
        let View::Map(map) = node.view() else { return Err(wrong(at, "a map")) };
        let Some(image) = map.get(&extractor.value) else { return Ok(()) };
        let mut pointer = render(at);
        pointer.push('/');
        pointer.push_str(&pointer::escape(&extractor.value));
        let key = match &extractor.key {
            Some(member) => match map.get(member).and_then(Value::as_str) {
                Some(key) => key.to_owned(),
                None => return Err(wrong(at, &format!("a text in `{member}`"))),
            },
            None => pointer.clone(),
        };
        let image = match &extractor.jmes_path {
            Some(expression) => {
                let transformed = self.transform.transform(expression, image)?;
                if transformed.as_str().is_none() {
                    return Err(wrong(at, "a text as result of jmesPath"));
                }
                transformed
            }
            None => image.clone(),
        };
        if self.images.all.is_empty() {
            self.images.pull_secrets = secrets.to_vec();
        }
        self.push(&extractor.group, &key, pointer, &image)
    }

    fn push(&mut self, group: &str, key: &str, pointer: String, image: &Value) -> Result<(), Stop> {
        let Some(written) = image.as_str() else {
            if image.is_null() {
                return Ok(());
            }
            return Err(RuleError::Images(format!("{pointer}: expected a text")).into());
        };
        // COMPAT: Kyverno 1.19: an empty image is no image; test: an_empty_image_is_ignored
        if written.trim().is_empty() {
            return Ok(());
        }
        if self.images.all.len() >= MAX_IMAGES {
            return Err(RuleError::Images(format!("more than {MAX_IMAGES} images")).into());
        }
        let reference = kyverno_reference(
            written,
            &self.settings.default_registry,
            self.settings.default_registry_mutation,
        )
        .map_err(|error| SmolStr::new(error.to_string()));
        self.images.all.push(Image {
            group: SmolStr::new(group),
            key: SmolStr::new(key),
            pointer: SmolStr::new(pointer),
            written: SmolStr::new(written),
            reference,
        });
        Ok(())
    }
}

fn pull_secrets(node: &Value) -> Vec<SmolStr> {
    let list = node.get("imagePullSecrets").and_then(Value::as_list).unwrap_or_default();
    list.iter()
        .filter_map(|secret| secret.get("name").and_then(Value::as_str))
        .filter(|name| !name.is_empty())
        .map(SmolStr::new)
        .take(32)
        .collect()
}

fn wrong(at: &[SmolStr], expected: &str) -> Stop {
    RuleError::Images(format!("{}: expected {expected}", render(at))).into()
}

fn render(at: &[SmolStr]) -> String {
    at.iter().fold(String::new(), |mut text, segment| {
        text.push('/');
        text.push_str(&pointer::escape(segment));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoTransform;
    impl Transform for NoTransform {
        fn transform(&mut self, _: &Expression, text: &Value) -> Result<Value, Stop> {
            Ok(text.clone())
        }
    }

    fn check(
        kind: &str,
        object: &str,
        extractors: &[Extractor],
        expected: &[(&str, &str, &str, &str)],
    ) {
        let object = sigward_document::parse_json(object.as_bytes()).unwrap();
        let own = BTreeMap::from([(SmolStr::new(kind), extractors.to_vec())]);
        let extractors = if extractors.is_empty() { BTreeMap::new() } else { own };
        let images =
            extract(&object, kind, &extractors, &Settings::default(), &mut NoTransform).unwrap();
        let got: Vec<_> = images
            .all
            .iter()
            .map(|i| {
                let normal = match &i.reference {
                    Ok(reference) => reference.normal().to_string(),
                    Err(error) => format!("error: {error}"),
                };
                (i.group.to_string(), i.key.to_string(), i.pointer.to_string(), normal)
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(a, b, c, d)| {
                ((*a).to_owned(), (*b).to_owned(), (*c).to_owned(), (*d).to_owned())
            })
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn finds_every_list_of_a_pod_and_image_volumes() {
        check(
            "Pod",
            r#"{"spec":{"containers":[{"name":"a","image":"nginx"}],"initContainers":[{"name":"i","image":"x/y:1"}],
               "ephemeralContainers":[{"name":"e","image":"r.io/z"}],"volumes":[{"name":"v"},{"name":"w","image":{"reference":"r.io/d:1"}}]}}"#,
            &[],
            &[
                ("initContainers", "i", "/spec/initContainers/0/image", "docker.io/x/y:1"),
                ("containers", "a", "/spec/containers/0/image", "docker.io/nginx:latest"),
                ("ephemeralContainers", "e", "/spec/ephemeralContainers/0/image", "r.io/z:latest"),
                ("imageVolumes", "w", "/spec/volumes/1/image/reference", "r.io/d:1"),
            ],
        );
    }

    #[test]
    fn an_empty_image_is_ignored() {
        check(
            "Pod",
            r#"{"spec":{"containers":[{"name":"a","image":" "},{"name":"b"}]}}"#,
            &[],
            &[],
        );
    }

    #[test]
    fn an_unparsable_image_stays_in_the_set_with_its_error() {
        check(
            "Pod",
            r#"{"spec":{"containers":[{"name":"a","image":"Bad Name"},{"name":"b","image":"x"}]}}"#,
            &[],
            &[
                ("containers", "a", "/spec/containers/0/image", "error: invalid reference format"),
                ("containers", "b", "/spec/containers/1/image", "docker.io/x:latest"),
            ],
        );
    }

    #[test]
    fn follows_the_template_of_every_controller() {
        for kind in
            ["Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job"]
        {
            check(
                kind,
                r#"{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"x"}]}}}}"#,
                &[],
                &[(
                    "containers",
                    "a",
                    "/spec/template/spec/containers/0/image",
                    "docker.io/x:latest",
                )],
            );
        }
        check(
            "CronJob",
            r#"{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"name":"a","image":"x"}]}}}}}}"#,
            &[],
            &[(
                "containers",
                "a",
                "/spec/jobTemplate/spec/template/spec/containers/0/image",
                "docker.io/x:latest",
            )],
        );
    }

    #[test]
    fn a_custom_extractor_walks_lists_and_maps_and_replaces_the_built_in() {
        let extractor = Extractor {
            path: ["spec", "steps", "*"].map(SmolStr::new).to_vec(),
            value: "image".into(),
            key: Some("name".into()),
            group: "custom".into(),
            jmes_path: None,
        };
        check(
            "Task",
            r#"{"spec":{"steps":[{"name":"s","image":"x:1"},{"name":"t"}]}}"#,
            &[extractor],
            &[("custom", "s", "/spec/steps/0/image", "docker.io/x:1")],
        );
    }
}
