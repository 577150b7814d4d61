//! An object of the API server as one tree, with its metadata beside it.
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Client, Resource,
    core::{ApiResource, DynamicResourceScope, GroupVersionKind},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sigward_document::Value;
use smol_str::SmolStr;
use std::borrow::Cow;

/// Any object. The tree is whole: metadata is in it as well.
#[derive(Clone, Debug)]
pub struct Object {
    metadata: ObjectMeta,
    tree: Value,
}

impl Object {
    /// The whole object.
    pub fn tree(&self) -> &Value {
        &self.tree
    }

    /// The whole object, without the metadata beside it.
    pub fn into_tree(self) -> Value {
        self.tree
    }

    /// `metadata.resourceVersion`: changes with every write.
    pub fn version(&self) -> Option<&str> {
        self.metadata.resource_version.as_deref()
    }

    /// Namespace and name; the namespace is empty for cluster-scoped kinds.
    pub fn key(&self) -> Key {
        Key {
            namespace: SmolStr::new(self.metadata.namespace.as_deref().unwrap_or_default()),
            name: SmolStr::new(self.metadata.name.as_deref().unwrap_or_default()),
        }
    }
}

/// Namespace and name of an object of a known kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Empty for cluster-scoped kinds.
    pub namespace: SmolStr,
    /// `metadata.name`.
    pub name: SmolStr,
}

impl Key {
    /// From both parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: SmolStr::new(namespace), name: SmolStr::new(name) }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tree.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tree = Value::deserialize(deserializer)?;
        let none = Value::NULL;
        let metadata = tree.as_map().and_then(|members| members.get("metadata")).unwrap_or(&none);
        let metadata = if metadata.is_null() {
            ObjectMeta::default()
        } else {
            sigward_document::from_value(metadata).map_err(|error| {
                D::Error::custom(format!("metadata.{}: {}", error.path, error.message))
            })?
        };
        Ok(Self { metadata, tree })
    }
}

impl Resource for Object {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(of: &ApiResource) -> Cow<'_, str> {
        of.kind.as_str().into()
    }
    fn group(of: &ApiResource) -> Cow<'_, str> {
        of.group.as_str().into()
    }
    fn version(of: &ApiResource) -> Cow<'_, str> {
        of.version.as_str().into()
    }
    fn api_version(of: &ApiResource) -> Cow<'_, str> {
        of.api_version.as_str().into()
    }
    fn plural(of: &ApiResource) -> Cow<'_, str> {
        of.plural.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// An object to be written in place of the stored one of this version, and of no other.
///
/// # Errors
/// The text is no object.
pub fn of_version(
    mut json: serde_json::Value,
    version: Option<&str>,
) -> Result<Object, kube::Error> {
    let metadata = json.get_mut("metadata").and_then(serde_json::Value::as_object_mut);
    if let (Some(metadata), Some(version)) = (metadata, version) {
        metadata.insert("resourceVersion".to_owned(), version.into());
    }
    serde_json::from_value(json).map_err(kube::Error::SerdeError)
}

/// A kind that is spoken of here, with the name that it has in URLs.
pub fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// The API of a kind: in one namespace, or (when it is empty) of a cluster-scoped kind or of all namespaces.
pub fn api(client: &Client, of: &ApiResource, namespace: &str) -> Api<Object> {
    if namespace.is_empty() {
        Api::all_with(client.clone(), of)
    } else {
        Api::namespaced_with(client.clone(), namespace, of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_whole_and_known_by_its_key() {
        let text =
            br#"{"metadata":{"namespace":"ns","name":"n","labels":{"a":"b"}},"spec":{"x":[1]}}"#;
        let object: Object = serde_json::from_slice(text).unwrap();
        assert_eq!(object.key(), Key::new("ns", "n"));
        assert_eq!(object.meta().labels.as_ref().unwrap()["a"], "b");
        let back = serde_json::to_value(&object).unwrap();
        assert_eq!(back, serde_json::from_slice::<serde_json::Value>(text).unwrap());
    }
}
