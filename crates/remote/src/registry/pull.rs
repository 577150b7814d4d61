//! Reading: tags to digests, manifests and blobs.
use super::{
    Inner, Registry,
    ask::{Action, Question, Shared, accept, refused},
    content::{self, Kind},
    manifest_path, place_in, tag_path,
};
use crate::{
    error::{FetchError, Malformed, clean},
    flight::Progress,
    observer::{Memory, Operation},
    wire::{
        body::{Expect, hash},
        exchange::Answer,
    },
};
use bytes::Bytes;
use reqwest::{Method, header::CONTENT_TYPE};
use sigward_oci::{
    Access, Algorithm, Digest, DigestReference, TagReference, media_type, resolve_host,
};
use smol_str::{SmolStr, format_smolstr};
use std::{sync::Arc, time::Instant};

/// A manifest that was asked for by its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What the bytes hash to.
    pub digest: Digest,
    /// `Content-Type`, as the registry gave it.
    pub media_type: Option<SmolStr>,
    /// The document.
    pub bytes: Bytes,
}

impl Registry {
    /// Which digest a tag points at now; `None` when there is no such tag or repository.
    ///
    /// Never remembered: only callers who ask at the same time share an answer.
    pub async fn resolve_tag(
        &self,
        tag: &TagReference,
        access: &Access,
    ) -> Result<Option<Digest>, FetchError> {
        let place = place_in(&tag.repository, &manifest_path(&tag.tag));
        let deadline = self.work_deadline();
        let key = (tag.clone(), access.clone());
        self.joined(&self.inner.tags, key, place, |progress| {
            let (inner, tag, access) = (Arc::clone(&self.inner), tag.clone(), access.clone());
            async move { inner.resolve(&tag, &access, deadline, &progress).await }
        })
        .await
    }

    /// The manifest that a tag points at now.
    pub async fn manifest_by_tag(
        &self,
        tag: &TagReference,
        access: &Access,
    ) -> Result<Option<Fetched>, FetchError> {
        let place = place_in(&tag.repository, &manifest_path(&tag.tag));
        let deadline = self.work_deadline();
        let key = (tag.clone(), access.clone());
        self.joined(&self.inner.manifests, key, place, |progress| {
            let (inner, tag, access) = (Arc::clone(&self.inner), tag.clone(), access.clone());
            async move { inner.get_tag(&tag, &access, deadline, &progress).await }
        })
        .await
    }

    /// A manifest by digest: its bytes hash to it.
    pub async fn manifest(
        &self,
        reference: &DigestReference,
        access: &Access,
    ) -> Result<Option<Bytes>, FetchError> {
        self.content(Kind::Manifest, reference, None, access).await
    }

    /// A blob by digest: its bytes hash to it, and are `size` long when that is given.
    pub async fn blob(
        &self,
        reference: &DigestReference,
        size: Option<u64>,
        access: &Access,
    ) -> Result<Option<Bytes>, FetchError> {
        self.content(Kind::Blob, reference, size, access).await
    }

    async fn content(
        &self,
        kind: Kind,
        reference: &DigestReference,
        size: Option<u64>,
        access: &Access,
    ) -> Result<Option<Bytes>, FetchError> {
        let rest = match kind {
            Kind::Manifest => manifest_path(reference.digest.as_str()),
            Kind::Blob => format_smolstr!("blobs/{}", reference.digest),
        };
        let place = place_in(&reference.repository, &rest);
        let (cap, what) = self.inner.cap(kind);
        if size.is_some_and(|size| size > cap) {
            return Err(FetchError::TooLarge { place, what, limit: cap });
        }
        let known = self.inner.content.get(kind, &reference.digest);
        self.inner.exchange.observer.memory(Memory::Content, known.is_some());
        if let Some(bytes) = known {
            // A hit says what a miss would have said.
            if let Some(size) = size.filter(|size| *size != bytes.len() as u64) {
                let said = Some(format_smolstr!("{} bytes instead of {size}", bytes.len()));
                return Err(FetchError::Malformed { place, what: Malformed::Size, said });
            }
            return Ok(Some(bytes));
        }
        let deadline = self.work_deadline();
        let question =
            content::Question { kind, reference: reference.clone(), size, access: access.clone() };
        self.joined(&self.inner.contents, question.clone(), place, |progress| {
            let inner = Arc::clone(&self.inner);
            async move { inner.get_content(question, &rest, deadline, &progress).await }
        })
        .await
    }
}

impl Inner {
    fn cap(&self, kind: Kind) -> (u64, &'static str) {
        let caps = &self.exchange.options.caps;
        match kind {
            Kind::Manifest => (caps.manifest, "manifest bytes"),
            Kind::Blob => (caps.attachment, "blob bytes"),
        }
    }

    pub(super) fn question(
        &self,
        method: Method,
        repository: &str,
        rest: &str,
        operation: Operation,
    ) -> Question {
        Question {
            method,
            location: resolve_host(repository),
            rest: rest.to_owned(),
            headers: accept(media_type::MANIFEST_ACCEPT),
            body: Bytes::new(),
            action: Action::Pull,
            also_pull: None,
            expect: self.expect(self.exchange.options.caps.manifest, "manifest bytes"),
            operation,
            retry: true,
        }
    }

    async fn resolve(
        self: &Shared,
        tag: &TagReference,
        access: &Access,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Option<Digest>, FetchError> {
        let rest = tag_path(tag)?;
        let question = self.question(Method::HEAD, &tag.repository, &rest, Operation::Resolve);
        let answer = self.ask(&question, access, deadline, progress).await?;
        match answer.status.as_u16() {
            200 => {
                if let Some(digest) = digest_header(&answer)? {
                    return Ok(Some(digest));
                }
            }
            404 => return Ok(None),
            // HEAD is optional for old proxies.
            405 => {}
            _ => return Err(refused(&answer)),
        }
        let fetched = self.get_tag(tag, access, deadline, progress).await?;
        Ok(fetched.map(|fetched| fetched.digest))
    }

    pub(super) async fn get_tag(
        self: &Shared,
        tag: &TagReference,
        access: &Access,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Option<Fetched>, FetchError> {
        let rest = tag_path(tag)?;
        let question = self.question(Method::GET, &tag.repository, &rest, Operation::Manifest);
        let answer = self.ask(&question, access, deadline, progress).await?;
        match answer.status.as_u16() {
            200 => {}
            404 => return Ok(None),
            _ => return Err(refused(&answer)),
        }
        let told = digest_header(&answer)?;
        let algorithm = told.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let found = hash(algorithm, &answer.body);
        let digest = match (told, found) {
            (Some(told), Some(found)) if told != found => {
                let said = Some(format_smolstr!("header {told}, content {found}"));
                let what = Malformed::DigestHeader;
                return Err(FetchError::Malformed { place: answer.place, what, said });
            }
            (_, Some(found)) => found,
            (_, None) => {
                let what = Malformed::DigestHeader;
                return Err(FetchError::Malformed { place: answer.place, what, said: None });
            }
        };
        self.content.put(Kind::Manifest, digest.clone(), answer.body.clone());
        let media_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Ok(Some(Fetched { digest, media_type: media_type.map(clean), bytes: answer.body }))
    }

    async fn get_content(
        self: &Shared,
        asked: content::Question,
        rest: &str,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Option<Bytes>, FetchError> {
        let content::Question { kind, reference, size, access } = asked;
        let (cap, what) = self.cap(kind);
        let operation = match kind {
            Kind::Manifest => Operation::Manifest,
            Kind::Blob => Operation::Blob,
        };
        let mut question = self.question(Method::GET, &reference.repository, rest, operation);
        if kind == Kind::Blob {
            question.headers = accept("*/*");
        }
        let digest = Some(reference.digest.clone());
        question.expect = Expect { digest, size, ..self.expect(cap, what) };
        let answer = self.ask(&question, &access, deadline, progress).await?;
        match answer.status.as_u16() {
            200 => {
                self.content.put(kind, reference.digest, answer.body.clone());
                Ok(Some(answer.body))
            }
            404 => Ok(None),
            _ => Err(refused(&answer)),
        }
    }
}

/// `Docker-Content-Digest`, when there is one.
pub(super) fn digest_header(answer: &Answer) -> Result<Option<Digest>, FetchError> {
    let Some(value) = answer.headers.get("docker-content-digest") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    Digest::parse(text).map(Some).map_err(|error| FetchError::Malformed {
        place: answer.place.clone(),
        what: Malformed::DigestHeader,
        said: Some(clean(&error.to_string())),
    })
}
