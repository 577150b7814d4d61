//! A live cluster: its resources page by page, and its answers to what policies ask.
use super::input::Loaded;
use crate::{cli::cosign::Failure, in_cluster::read_key};
use arc_swap::ArcSwap;
use kube::{
    Client,
    api::{GetParams, ListParams, Patch, PatchParams, PostParams},
    core::Request,
};
use sigward_controller::{
    cluster::{Cluster, Limits},
    discovery::{Discovery, Served},
    index::Shared,
};
use sigward_document::{Value, parse_json};
use std::{collections::BTreeSet, path::Path, sync::Arc};

/// Where definitions of custom resources are.
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A connection, what is served there, and who answers for it.
pub(crate) struct Live {
    client: Client,
    discovery: Arc<Discovery>,
    /// Answers what policies ask.
    pub(crate) cluster: Arc<Cluster>,
}

/// Some resources of one kind.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Whole objects.
    pub(crate) items: Vec<Value>,
    /// Where the next page begins; empty at the end.
    pub(crate) next: String,
}

/// Why a page could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    /// Objects of this kind are made, never listed.
    #[error("objects of this kind cannot be listed")]
    NotListable,
    /// The API server refuses or cannot be reached.
    #[error("the API server refuses, or cannot be reached")]
    Api(#[source] Box<kube::Error>),
    /// The answer is no list.
    #[error("the answer is no list of objects: {0}")]
    Malformed(String),
}

impl Live {
    /// Connects, and asks what is served.
    ///
    /// # Errors
    /// No configuration, an unknown context, or an API server that cannot be reached.
    pub(crate) async fn connect(
        kubeconfig: Option<&Path>,
        context: Option<&str>,
    ) -> Result<Self, Failure> {
        let client = sigward_controller::connect_in(kubeconfig, context).await?;
        let discovery = Arc::new(Discovery::ask(&client).await.map_err(|error| {
            let Failure { message, .. } = Failure::from(error);
            let from = kubeconfig.map(|path| format!(" (as {} names it)", path.display()));
            let from = from.unwrap_or_default();
            Failure::new(format!("the cluster{from} cannot be read: {}", message.trim_end()))
        })?);
        let cluster = Cluster::new(
            client.clone(),
            Shared::default(),
            Arc::new(ArcSwap::from(Arc::clone(&discovery))),
            Arc::new(read_key),
            Limits::default(),
        );
        Ok(Self { client, discovery, cluster: Arc::new(cluster) })
    }

    /// The kinds that some policy is about, each in one version.
    pub(crate) fn kinds(&self, policies: &[Loaded], cluster_wide: bool) -> Vec<Served> {
        let patterns = policies
            .iter()
            .filter_map(|loaded| loaded.compiled.as_ref().ok())
            .flat_map(|policy| policy.webhook_rules())
            .flat_map(|rule| &rule.kinds)
            .filter(|pattern| pattern.sub_resource.is_empty());
        let mut seen = BTreeSet::new();
        let mut kinds = Vec::new();
        for pattern in patterns {
            for served in self.discovery.resolve(pattern) {
                let wanted = served.namespaced || cluster_wide;
                if wanted && seen.insert((served.group.clone(), served.resource.clone())) {
                    kinds.push(served.clone());
                }
            }
        }
        kinds.sort();
        kinds
    }

    /// The definition of a custom resource; `None` when there is none.
    pub(crate) async fn definition(&self, name: &str) -> Result<Option<Value>, PageError> {
        let request = Request::new(DEFINITIONS)
            .get(name, &GetParams::default())
            .map_err(|error| PageError::Malformed(error.to_string()))?;
        let text = unless(&[404], self.client.request_text(request).await)?;
        text.map(|text| parse_json(text.as_bytes()))
            .transpose()
            .map_err(|error| PageError::Malformed(error.to_string()))
    }

    /// Writes an object as it is, so that it is stored in today's version. False when it is gone, or was written
    /// by another meanwhile: then it is stored in today's version as well.
    pub(crate) async fn rewrite(&self, kind: &Served, object: &Value) -> Result<bool, PageError> {
        let text = |name: &str| object.str_at(&["metadata", name]).unwrap_or_default();
        let request = Request::new(path_of(kind, text("namespace")))
            .replace(text("name"), &PostParams::default(), object.to_json().into_bytes())
            .map_err(|error| PageError::Malformed(error.to_string()))?;
        Ok(unless(&[404, 409], self.client.request_text(request).await)?.is_some())
    }

    /// Says of a custom resource that all its objects are stored in one version.
    pub(crate) async fn keep_only(&self, name: &str, version: &str) -> Result<(), PageError> {
        let status = serde_json::json!({ "status": { "storedVersions": [version] } });
        let request = Request::new(DEFINITIONS)
            .patch_subresource("status", name, &PatchParams::default(), &Patch::Merge(status))
            .map_err(|error| PageError::Malformed(error.to_string()))?;
        self.client.request_text(request).await.map_err(refused)?;
        Ok(())
    }

    /// One page of a kind: of a namespace, or of all when it is empty.
    pub(crate) async fn page(
        &self,
        kind: &Served,
        namespace: &str,
        size: u32,
        from: &str,
    ) -> Result<Page, PageError> {
        let path = path_of(kind, namespace);
        let mut parameters = ListParams::default().limit(size);
        if !from.is_empty() {
            parameters = parameters.continue_token(from);
        }
        let request = Request::new(path)
            .list(&parameters)
            .map_err(|error| PageError::Malformed(error.to_string()))?;
        let text = self.client.request_text(request).await.map_err(refused)?;
        let tree =
            parse_json(text.as_bytes()).map_err(|error| PageError::Malformed(error.to_string()))?;
        let items = tree
            .get("items")
            .and_then(Value::as_list)
            .ok_or_else(|| PageError::Malformed("it has no `items`".to_owned()))?;
        let api_version = if kind.group.is_empty() {
            kind.version.clone()
        } else {
            format!("{}/{}", kind.group, kind.version)
        };
        // Items of a list do not say what they are.
        let whole = |item: &Value| {
            item.with_member("apiVersion", Value::string(&api_version))
                .and_then(|item| item.with_member("kind", Value::string(&kind.kind)))
        };
        let items: Option<Vec<Value>> = items.iter().map(whole).collect();
        let items = items.ok_or_else(|| PageError::Malformed("an item is no object".to_owned()))?;
        let next = tree.str_at(&["metadata", "continue"]).unwrap_or_default().to_owned();
        // Else a list would have no end.
        if !next.is_empty() && next == from {
            return Err(PageError::Malformed("the next page is the same page".to_owned()));
        }
        Ok(Page { items, next })
    }
}

/// Where objects of a kind are: of a namespace, or of all when it is empty.
fn path_of(kind: &Served, namespace: &str) -> String {
    let mut path = if kind.group.is_empty() {
        format!("/api/{}", kind.version)
    } else {
        format!("/apis/{}/{}", kind.group, kind.version)
    };
    if kind.namespaced && !namespace.is_empty() {
        path.push_str("/namespaces/");
        path.push_str(namespace);
    }
    path.push('/');
    path.push_str(&kind.resource);
    path
}

/// The answer to what may be gone or written by another meanwhile.
fn unless(codes: &[u16], answer: Result<String, kube::Error>) -> Result<Option<String>, PageError> {
    match answer {
        Ok(text) => Ok(Some(text)),
        Err(kube::Error::Api(status)) if codes.contains(&status.code) => Ok(None),
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: kube::Error) -> PageError {
    let not_listable = matches!(&error, kube::Error::Api(status) if status.code == 405);
    if not_listable { PageError::NotListable } else { PageError::Api(Box::new(error)) }
}
