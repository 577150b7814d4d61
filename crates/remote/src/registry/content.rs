//! Manifests and blobs by digest: immutable, hence remembered, within a bound of bytes.
use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};
use sigward_oci::{Access, Digest, DigestReference};

/// Under which of the two paths content lies. A digest may exist under one and not the other, so
/// that it is part of the key: a hit and a miss give the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Manifest,
    Blob,
}

/// A question for content, as it is joined in flight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Question {
    pub(super) kind: Kind,
    pub(super) reference: DigestReference,
    pub(super) size: Option<u64>,
    pub(super) access: Access,
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<(Kind, Digest), Bytes> for ByBytes {
    fn weight(&self, _: &(Kind, Digest), bytes: &Bytes) -> u64 {
        // The key and the entry itself are not free.
        (bytes.len() as u64).saturating_add(256)
    }
}

/// The memory.
#[derive(Debug)]
pub(super) struct Content(Option<Cache<(Kind, Digest), Bytes, ByBytes>>);

impl Content {
    /// Room for so many bytes; zero keeps nothing.
    pub(super) fn new(bytes: u64) -> Self {
        let typical = usize::try_from(bytes / 4096).unwrap_or(0).clamp(16, 16_384);
        Self((bytes > 0).then(|| Cache::with_weighter(typical, bytes, ByBytes)))
    }

    pub(super) fn get(&self, kind: Kind, digest: &Digest) -> Option<Bytes> {
        // One allocation for the key is cheaper than a borrowed form of it.
        self.0.as_ref()?.get(&(kind, digest.clone()))
    }

    /// INVARIANT: only bytes that were hashed to this digest come here.
    pub(super) fn put(&self, kind: Kind, digest: Digest, bytes: Bytes) {
        if let Some(cache) = &self.0 {
            cache.insert((kind, digest), bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_by_bytes() {
        let content = Content::new(1 << 20);
        for index in 0..200_u8 {
            let bytes = Bytes::from(vec![index; 64 << 10]);
            content.put(Kind::Blob, Digest::sha256(&[index; 32]), bytes);
        }
        let cache = content.0.unwrap();
        assert!(cache.weight() <= 1 << 20, "{}", cache.weight());
        assert!(!cache.is_empty());
    }

    #[test]
    fn a_manifest_is_not_found_as_a_blob() {
        let content = Content::new(1 << 20);
        let digest = Digest::sha256(&[1; 32]);
        content.put(Kind::Manifest, digest.clone(), Bytes::from_static(b"x"));
        assert!(content.get(Kind::Manifest, &digest).is_some());
        assert!(content.get(Kind::Blob, &digest).is_none());
    }
}
