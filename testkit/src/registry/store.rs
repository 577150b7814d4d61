//! What the registry holds: blobs, manifests, tags, referrers and open uploads, all in memory.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use crate::digest;

/// A manifest as it was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The `Content-Type` that it was pushed with.
    pub media_type: String,
    /// Its exact bytes.
    pub bytes: Bytes,
    /// Its digest. It differs from the digest of the bytes only where a test asked for that.
    pub digest: String,
}

/// What a registry reads out of a manifest.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Digests of the config and of the layers, without those that carry `urls`.
    pub(crate) blobs: Vec<String>,
    /// Digests of the manifests of an index.
    pub(crate) manifests: Vec<String>,
    /// Digest of the subject.
    pub(crate) subject: Option<String>,
    /// `artifactType`, or the config's media type.
    pub(crate) artifact_type: Option<String>,
    /// The manifest's annotations.
    pub(crate) annotations: Option<Value>,
}

impl Reading {
    /// Reads a manifest or index; nothing when it is not a JSON object.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        let object = value.as_object()?;
        let digest_of =
            |value: &Value| value.get("digest").and_then(Value::as_str).map(str::to_owned);
        let text = |value: &Value, name: &str| {
            value
                .get(name)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let config = object.get("config");
        let list = |name: &str| {
            object.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
        };
        let mut blobs: Vec<String> = config.and_then(digest_of).into_iter().collect();
        blobs.extend(
            list("layers").iter().filter(|layer| layer.get("urls").is_none()).filter_map(digest_of),
        );
        Some(Self {
            blobs,
            manifests: list("manifests").iter().filter_map(digest_of).collect(),
            subject: object.get("subject").and_then(digest_of),
            artifact_type: text(&value, "artifactType")
                .or_else(|| config.and_then(|config| text(config, "mediaType"))),
            annotations: object
                .get("annotations")
                .filter(|annotations| annotations.is_object())
                .cloned(),
        })
    }
}

#[derive(Debug, Default)]
struct Repository {
    blobs: BTreeMap<String, Bytes>,
    manifests: BTreeMap<String, Manifest>,
    tags: BTreeMap<String, String>,
    /// Subject digest, then the manifests that name it, in the order in which they were pushed.
    referrers: BTreeMap<String, Vec<String>>,
}

#[derive(Debug)]
struct Upload {
    repository: String,
    bytes: Vec<u8>,
}

/// Everything in the registry.
#[derive(Debug, Default)]
pub(crate) struct Store {
    repositories: BTreeMap<String, Repository>,
    uploads: BTreeMap<String, Upload>,
    next_upload: u64,
}

impl Store {
    fn repository(&mut self, name: &str) -> &mut Repository {
        self.repositories.entry(name.to_owned()).or_default()
    }

    pub(crate) fn repositories(&self) -> impl Iterator<Item = &str> {
        self.repositories.keys().map(String::as_str)
    }

    pub(crate) fn put_blob(&mut self, repository: &str, digest: &str, bytes: Bytes) {
        self.repository(repository).blobs.insert(digest.to_owned(), bytes);
    }

    pub(crate) fn blob(&self, repository: &str, digest: &str) -> Option<Bytes> {
        self.repositories.get(repository)?.blobs.get(digest).cloned()
    }

    pub(crate) fn remove_blob(&mut self, repository: &str, digest: &str) -> bool {
        self.repositories
            .get_mut(repository)
            .is_some_and(|repository| repository.blobs.remove(digest).is_some())
    }

    /// Stores a manifest under `digest` and notes what it refers to.
    pub(crate) fn put_manifest(
        &mut self,
        repository: &str,
        digest: &str,
        media_type: &str,
        bytes: Bytes,
    ) {
        let subject = Reading::of(&bytes).and_then(|reading| reading.subject);
        let repository = self.repository(repository);
        if let Some(subject) = subject {
            let list = repository.referrers.entry(subject).or_default();
            if !list.iter().any(|known| known == digest) {
                list.push(digest.to_owned());
            }
        }
        let manifest =
            Manifest { media_type: media_type.to_owned(), bytes, digest: digest.to_owned() };
        repository.manifests.insert(digest.to_owned(), manifest);
    }

    pub(crate) fn set_tag(&mut self, repository: &str, tag: &str, digest: &str) {
        self.repository(repository).tags.insert(tag.to_owned(), digest.to_owned());
    }

    pub(crate) fn remove_tag(&mut self, repository: &str, tag: &str) -> bool {
        self.repositories
            .get_mut(repository)
            .is_some_and(|repository| repository.tags.remove(tag).is_some())
    }

    /// The manifest that a tag or a digest names.
    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> Option<&Manifest> {
        let repository = self.repositories.get(repository)?;
        let digest = if digest::is_digest(reference) {
            reference
        } else {
            repository.tags.get(reference)?
        };
        repository.manifests.get(digest)
    }

    /// Removes a manifest with its tags and its place among the referrers of its subject.
    pub(crate) fn remove_manifest(&mut self, repository: &str, digest: &str) -> bool {
        let Some(repository) = self.repositories.get_mut(repository) else { return false };
        repository.tags.retain(|_, target| target != digest);
        for list in repository.referrers.values_mut() {
            list.retain(|known| known != digest);
        }
        repository.manifests.remove(digest).is_some()
    }

    /// The tags in order, or nothing when the repository is not known.
    pub(crate) fn tags(&self, repository: &str) -> Option<Vec<String>> {
        Some(self.repositories.get(repository)?.tags.keys().cloned().collect())
    }

    /// The manifests that name `subject`, in the order in which they were pushed.
    pub(crate) fn referrers(&self, repository: &str, subject: &str) -> Vec<&Manifest> {
        let Some(repository) = self.repositories.get(repository) else { return Vec::new() };
        let digests = repository.referrers.get(subject).map(Vec::as_slice).unwrap_or_default();
        digests.iter().filter_map(|digest| repository.manifests.get(digest)).collect()
    }

    /// The first of the digests that a manifest needs and the repository lacks.
    pub(crate) fn missing(&self, repository: &str, reading: &Reading) -> Option<String> {
        let known = self.repositories.get(repository);
        let blob = |digest: &&String| {
            known.is_none_or(|repository| !repository.blobs.contains_key(*digest))
        };
        let manifest = |digest: &&String| {
            known.is_none_or(|repository| !repository.manifests.contains_key(*digest))
        };
        reading.blobs.iter().find(blob).or_else(|| reading.manifests.iter().find(manifest)).cloned()
    }

    /// Opens an upload and names it.
    pub(crate) fn open_upload(&mut self, repository: &str) -> String {
        self.next_upload += 1;
        let number = self.next_upload;
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        self.uploads
            .insert(id.clone(), Upload { repository: repository.to_owned(), bytes: Vec::new() });
        id
    }

    /// Appends to an upload and says how long it is now; nothing when there is no such upload.
    pub(crate) fn append(&mut self, repository: &str, id: &str, bytes: &[u8]) -> Option<usize> {
        let upload = self.uploads.get_mut(id).filter(|upload| upload.repository == repository)?;
        upload.bytes.extend_from_slice(bytes);
        Some(upload.bytes.len())
    }

    /// How many bytes an upload holds.
    pub(crate) fn upload_length(&self, repository: &str, id: &str) -> Option<usize> {
        self.uploads
            .get(id)
            .filter(|upload| upload.repository == repository)
            .map(|upload| upload.bytes.len())
    }

    /// Ends an upload and hands out its bytes.
    pub(crate) fn close_upload(&mut self, repository: &str, id: &str) -> Option<Bytes> {
        self.uploads.get(id).filter(|upload| upload.repository == repository)?;
        self.uploads.remove(id).map(|upload| Bytes::from(upload.bytes))
    }
}
