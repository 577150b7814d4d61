//! Images of an object: where they stand, what they are called, and which patterns mean them.
pub(crate) mod extract;
pub(crate) mod pattern;

use sigward_document::Value;
use sigward_oci::ImageReference;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// One field that names an image.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// `containers`, `initContainers`, …: the group in the variable `images`.
    pub(crate) group: SmolStr,
    /// The name in that group: usually the container's.
    pub(crate) key: SmolStr,
    /// JSON pointer of the field.
    pub(crate) pointer: SmolStr,
    /// The text in the field, after the extractor's expression if it has one.
    pub(crate) written: SmolStr,
    /// What it names; the reason when it names nothing.
    pub(crate) reference: Result<ImageReference, SmolStr>,
}

/// All images of one object, in order of groups and then of the object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Images {
    /// At most [`extract::MAX_IMAGES`].
    pub(crate) all: Vec<Image>,
    /// `imagePullSecrets` seen on the way to the first image, by name.
    pub(crate) pull_secrets: Vec<SmolStr>,
}

impl Images {
    /// The variable `images`: groups, keys, fields. What names no image has no fields but its text.
    pub(crate) fn variable(&self) -> Value {
        let mut groups: BTreeMap<SmolStr, Vec<(SmolStr, Value)>> = BTreeMap::new();
        for image in &self.all {
            let fields = match &image.reference {
                Ok(reference) => fields(reference, Some(&image.pointer)),
                Err(_) => Value::map([
                    (SmolStr::new_static("reference"), Value::string(&image.written)),
                    (SmolStr::new_static("jsonPointer"), Value::string(&image.pointer)),
                ]),
            };
            groups.entry(image.group.clone()).or_default().push((image.key.clone(), fields));
        }
        Value::map(groups.into_iter().map(|(group, images)| (group, Value::map(images))))
    }
}

/// The fields of one image as variables have them; the variable `image` lacks the pointer.
pub(crate) fn fields(reference: &ImageReference, pointer: Option<&str>) -> Value {
    let text = |text: &str| Value::string(text);
    let mut pairs = vec![
        (SmolStr::new_static("registry"), text(&reference.registry)),
        (SmolStr::new_static("name"), text(&reference.name)),
        (SmolStr::new_static("path"), text(&reference.path)),
        (SmolStr::new_static("reference"), text(&reference.normal())),
        (SmolStr::new_static("referenceWithTag"), text(&reference.with_tag())),
    ];
    if let Some(tag) = &reference.tag {
        pairs.push((SmolStr::new_static("tag"), text(tag)));
    }
    if let Some(digest) = &reference.digest {
        pairs.push((SmolStr::new_static("digest"), text(digest.as_str())));
    }
    if let Some(pointer) = pointer {
        pairs.push((SmolStr::new_static("jsonPointer"), text(pointer)));
    }
    Value::map(pairs)
}
