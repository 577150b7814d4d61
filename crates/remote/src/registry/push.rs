//! Writing: blobs first, then manifests, then the fallback tag where a registry needs it.
use super::{
    Registry,
    ask::{Action, Question, Shared, refused},
    manifest_path, place_in,
    pull::digest_header,
    referrers::Api,
    tag_path,
};
use crate::{
    error::{FetchError, Malformed, Unreachable, clean},
    flight::Progress,
    observer::Operation,
    wire::{
        body::hash,
        exchange::{Answer, authority},
        pause,
    },
};
use bytes::Bytes;
use reqwest::{
    Method, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION},
};
use sigward_oci::{
    Access, Algorithm, Descriptor, Digest, DigestReference, ImageManifest, Index, Manifest,
    TagReference, media_type, referrers_tag, resolve_host,
};
use smol_str::{SmolStr, format_smolstr};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// A manifest that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Its digest.
    pub digest: Digest,
    /// The registry said (`OCI-Subject`) that it lists the manifest among the referrers itself.
    pub listed: bool,
}

/// Who writes which fallback tag: within one process nobody's entry is lost between reading and
/// writing it.
#[derive(Debug, Default)]
pub(super) struct Writers(Mutex<BTreeMap<SmolStr, Arc<tokio::sync::Mutex<()>>>>);

impl Writers {
    fn of(&self, tag: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody holds what only this list holds.
        if list.len() > 64 {
            list.retain(|_, writer| Arc::strong_count(writer) > 1);
        }
        Arc::clone(list.entry(tag.into()).or_default())
    }
}

impl Registry {
    /// Stores a blob, unless the repository has it.
    pub async fn push_blob(
        &self,
        repository: &str,
        bytes: Bytes,
        access: &Access,
    ) -> Result<Digest, FetchError> {
        let deadline = self.own_deadline();
        let progress = Progress::default();
        let digest = sha256(repository, &bytes)?;
        let reference = DigestReference { repository: repository.into(), digest };
        if self.has_blob(&reference, access).await? {
            return Ok(reference.digest);
        }
        let digest = reference.digest;
        let times = self.inner.exchange.options.times;
        let mut attempt = 0;
        loop {
            let result =
                self.inner.upload(repository, &digest, &bytes, access, deadline, &progress).await;
            attempt += 1;
            let passing = match &result {
                Err(FetchError::Unreachable { because: Unreachable::Reset, .. }) => true,
                Err(FetchError::Unavailable { status, .. }) => matches!(status, 502..=504),
                _ => false,
            };
            let wait = pause::backoff(times.backoff, attempt - 1, times.longest_pause);
            if !passing
                || attempt >= self.inner.exchange.options.attempts
                || Instant::now() + wait >= deadline
            {
                return result.map(|()| digest);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// True when the repository holds the blob: asked before it is fetched elsewhere and pushed.
    ///
    /// `false` for a registry that does not answer HEAD: pushing what is there already does no harm.
    pub async fn has_blob(
        &self,
        reference: &DigestReference,
        access: &Access,
    ) -> Result<bool, FetchError> {
        let rest = format!("blobs/{}", reference.digest);
        let head = self.inner.writing(Method::HEAD, &reference.repository, &rest, Action::Push);
        let answer =
            self.inner.ask(&head, access, self.own_deadline(), &Progress::default()).await?;
        match answer.status.as_u16() {
            200 => Ok(true),
            // HEAD is optional for old proxies.
            404 | 405 => Ok(false),
            _ => Err(refused(&answer)),
        }
    }

    /// Makes a blob of another repository of the same registry part of this one. `false` when the
    /// registry would rather have it uploaded.
    pub async fn mount_blob(
        &self,
        from: &DigestReference,
        repository: &str,
        access: &Access,
    ) -> Result<bool, FetchError> {
        let (source, target) = (resolve_host(&from.repository), resolve_host(repository));
        if source.host != target.host {
            return Ok(false);
        }
        let rest = format!("blobs/uploads/?mount={}&from={}", from.digest, source.path);
        let mut question = self.inner.writing(Method::POST, repository, &rest, Action::Push);
        question.also_pull = Some(source.path);
        let progress = Progress::default();
        let answer = self.inner.ask(&question, access, self.own_deadline(), &progress).await?;
        match answer.status.as_u16() {
            201 => Ok(true),
            202 => Ok(false),
            _ => Err(refused(&answer)),
        }
    }

    /// Stores a manifest under a tag, or under its digest when `tag` is `None`. Everything it
    /// names must be there before.
    pub async fn push_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: Bytes,
        access: &Access,
    ) -> Result<Pushed, FetchError> {
        let deadline = self.own_deadline();
        self.inner.put_manifest(repository, tag, media_type, bytes, access, deadline).await
    }

    /// Stores a manifest that has a subject, by digest, and makes it be found: where the registry
    /// does not list it by itself, the index under the fallback tag gets an entry.
    pub async fn push_referrer(
        &self,
        repository: &str,
        bytes: Bytes,
        access: &Access,
    ) -> Result<Pushed, FetchError> {
        let place = || place_in(repository, "manifests/");
        let wrong = |said: &str| FetchError::Malformed {
            place: place(),
            what: Malformed::Manifest,
            said: Some(clean(said)),
        };
        let manifest = match Manifest::parse(&bytes, Some(media_type::OCI_MANIFEST)) {
            Ok(Manifest::Image(manifest)) => *manifest,
            Ok(Manifest::Index(_)) => return Err(wrong("an index cannot be a referrer here")),
            Err(error) => return Err(wrong(&error.to_string())),
        };
        let Some(subject) = manifest.subject.clone() else {
            return Err(wrong("a referrer needs a subject"));
        };
        let deadline = self.own_deadline();
        let kind = media_type::OCI_MANIFEST;
        let size = bytes.len() as u64;
        let pushed =
            self.inner.put_manifest(repository, None, kind, bytes, access, deadline).await?;
        if pushed.listed {
            return Ok(pushed);
        }
        let subject = DigestReference { repository: repository.into(), digest: subject.digest };
        let progress = Progress::default();
        match self.inner.referrers_api(&subject, access, deadline, &progress).await? {
            Api::Listed(_) => Ok(Pushed { listed: true, ..pushed }),
            Api::Missing { .. } => {
                let entry = fallback_entry(&manifest, pushed.digest.clone(), size);
                self.inner.add_to_fallback(&subject, entry, access, deadline, &progress).await?;
                Ok(pushed)
            }
        }
    }

    /// Removes a manifest by digest; `false` when there was none.
    pub async fn delete_manifest(
        &self,
        reference: &DigestReference,
        access: &Access,
    ) -> Result<bool, FetchError> {
        let rest = manifest_path(reference.digest.as_str());
        self.delete(&reference.repository, &rest, access).await
    }

    /// Removes a tag; `false` when there was none. Registries of the 2.8 line refuse this.
    pub async fn delete_tag(
        &self,
        repository: &str,
        tag: &str,
        access: &Access,
    ) -> Result<bool, FetchError> {
        self.delete(repository, &tag_path(&tag_reference(repository, tag))?, access).await
    }

    async fn delete(
        &self,
        repository: &str,
        rest: &str,
        access: &Access,
    ) -> Result<bool, FetchError> {
        let question = self.inner.writing(Method::DELETE, repository, rest, Action::Delete);
        let progress = Progress::default();
        let answer = self.inner.ask(&question, access, self.own_deadline(), &progress).await?;
        match answer.status.as_u16() {
            200 | 202 | 204 => Ok(true),
            404 => Ok(false),
            _ => Err(refused(&answer)),
        }
    }
}

/// How cosign lists a referrer under the fallback tag.
///
/// COMPAT: cosign 3.1.3 (go-containerregistry 0.21.8): artifact type, else the media type of the
/// configuration, and no annotations; 3.1.1 always wrote the latter. Whoever reads must not filter
/// by it; test: `the_fallback_index_is_written_as_cosign_writes_it`.
fn fallback_entry(manifest: &ImageManifest, digest: Digest, size: u64) -> Descriptor {
    let mut entry = Descriptor::new(media_type::OCI_MANIFEST, digest, size);
    entry.artifact_type = Some(manifest.referrer_type().to_owned());
    entry
}

fn sha256(repository: &str, bytes: &[u8]) -> Result<Digest, FetchError> {
    hash(Algorithm::Sha256, bytes).ok_or_else(|| FetchError::Malformed {
        place: place_in(repository, "blobs/"),
        what: Malformed::DigestMismatch,
        said: None,
    })
}

fn tag_reference(repository: &str, tag: &str) -> TagReference {
    TagReference { repository: repository.into(), tag: tag.into() }
}

fn content_type(media_type: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(media_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    headers
}

impl super::Inner {
    fn writing(&self, method: Method, repository: &str, rest: &str, action: Action) -> Question {
        let mut question = self.question(method, repository, rest, Operation::Push);
        question.headers = HeaderMap::new();
        question.action = action;
        question
    }

    async fn put_manifest(
        self: &Shared,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        bytes: Bytes,
        access: &Access,
        deadline: Instant,
    ) -> Result<Pushed, FetchError> {
        let digest = sha256(repository, &bytes)?;
        let rest = match tag {
            Some(tag) => tag_path(&tag_reference(repository, tag))?,
            None => manifest_path(digest.as_str()),
        };
        let mut question = self.writing(Method::PUT, repository, &rest, Action::Push);
        question.headers = content_type(media_type);
        question.body = bytes;
        let answer = self.ask(&question, access, deadline, &Progress::default()).await?;
        if !matches!(answer.status.as_u16(), 200..=202) {
            return Err(refused(&answer));
        }
        if let Some(told) = digest_header(&answer)?
            && told.algorithm() == Algorithm::Sha256
            && told != digest
        {
            let said = Some(format_smolstr!("sent {digest}, stored {told}"));
            let what = Malformed::DigestHeader;
            return Err(FetchError::Malformed { place: answer.place, what, said });
        }
        Ok(Pushed { digest, listed: answer.headers.contains_key("oci-subject") })
    }

    /// SPEC: OCI distribution-spec 1.1 "Pushing a blob monolithically": POST, then PUT.
    async fn upload(
        self: &Shared,
        repository: &str,
        digest: &Digest,
        bytes: &Bytes,
        access: &Access,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<(), FetchError> {
        let start = self.writing(Method::POST, repository, "blobs/uploads/", Action::Push);
        let answer = self.ask(&start, access, deadline, progress).await?;
        match answer.status.as_u16() {
            202 => {}
            201 => return Ok(()),
            _ => return Err(refused(&answer)),
        }
        let mut put = self.writing(Method::PUT, repository, "", Action::Push);
        put.rest = upload_path(&answer, digest)?;
        put.headers = content_type("application/octet-stream");
        put.body = bytes.clone();
        // A session that was spent cannot be used again; the whole upload is what is repeated.
        put.retry = false;
        let answer = self.ask(&put, access, deadline, progress).await?;
        match answer.status.as_u16() {
            200..=202 | 204 => Ok(()),
            _ => Err(refused(&answer)),
        }
    }

    /// Adds an entry to the index under the fallback tag and looks whether it is there: another
    /// process may have written between our reading and writing.
    async fn add_to_fallback(
        self: &Shared,
        subject: &DigestReference,
        entry: Descriptor,
        access: &Access,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<(), FetchError> {
        let tag = referrers_tag(&subject.digest);
        let writer = self.fallback_writers.of(&format!("{}:{tag}", subject.repository));
        let _writing = writer.lock().await;
        for _ in 0..4 {
            let found = self.fallback(subject, access, deadline, progress).await?;
            let mut index = found.map_or_else(|| Index::new(Vec::new()), |(index, _)| index);
            if index.manifests.iter().any(|known| known.digest == entry.digest) {
                return Ok(());
            }
            index.manifests.push(entry.clone());
            index.manifests.sort_by(|one, other| one.digest.cmp(&other.digest));
            index.media_type = Some(media_type::OCI_INDEX.into());
            let bytes = serde_json::to_vec(&index).map_err(|error| FetchError::Malformed {
                place: place_in(&subject.repository, &manifest_path(&tag)),
                what: Malformed::Manifest,
                said: Some(clean(&error.to_string())),
            })?;
            let kind = media_type::OCI_INDEX;
            let repository = &subject.repository;
            self.put_manifest(repository, Some(&tag), kind, bytes.into(), access, deadline).await?;
        }
        Err(FetchError::Rejected {
            place: place_in(&subject.repository, &manifest_path(&tag)),
            status: 409,
            said: Some("another writer keeps replacing the fallback tag".into()),
        })
    }
}

/// The path of an upload session, with the digest added.
///
/// A session on another host is refused: credentials and content stay with the registry.
fn upload_path(answer: &Answer, digest: &Digest) -> Result<String, FetchError> {
    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let wrong = || FetchError::Malformed {
        place: answer.place.clone(),
        what: Malformed::Upload,
        said: location.map(clean),
    };
    let url: Url = answer.url.join(location.ok_or_else(wrong)?).map_err(|_| wrong())?;
    // Behind a proxy that ends TLS, registries think that they are asked by plain HTTP; the scheme
    // is ours to choose, the host must be the same.
    if authority(&url) != authority(&answer.url) {
        return Err(wrong());
    }
    let mut path = url.path().to_owned();
    path.push('?');
    if let Some(query) = url.query().filter(|query| !query.is_empty()) {
        path.push_str(query);
        path.push('&');
    }
    path.push_str("digest=");
    path.push_str(digest.as_str());
    Ok(path)
}
