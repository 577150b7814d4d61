//! Images in a folder: the OCI image layout, with the marks by which cosign finds signatures in it.
//!
//! SPEC: OCI image-spec 1.1 image-layout.md. COMPAT: cosign 3.1: entries of `index.json` carry `kind`; bundles are
//! found by looking for manifests with a `subject` among the blobs; test: the_folder_is_the_one_cosign_writes
use super::{Piece, Tagged, What};
use crate::cli::cosign::{Failure, keys::reason};
use bytes::Bytes;
use sigward_oci::{
    Algorithm, Attachment, Descriptor, Digest, Index, Manifest, attached_tag, media_type,
};
use std::{
    collections::BTreeMap,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

/// What an entry of `index.json` is.
const KIND: &str = "kind";
const IMAGE: &str = "dev.cosignproject.cosign/image";
const IMAGE_INDEX: &str = "dev.cosignproject.cosign/imageIndex";
const SIGNATURES: &str = "dev.cosignproject.cosign/sigs";
const ATTESTATIONS: &str = "dev.cosignproject.cosign/atts";
/// The name under which an entry was, or the tag under which it is found.
const REFERENCE: &str = "org.opencontainers.image.ref.name";

const LAYOUT_FILE: &str = "oci-layout";
const INDEX_FILE: &str = "index.json";
/// Longest manifest or index that is read, in bytes.
const MAX_MANIFEST: u64 = 4 << 20;
/// Most files that are looked at for manifests with a subject.
const MAX_FILES: usize = 100_000;

/// A folder.
#[derive(Debug)]
pub(in crate::cli::cosign) struct Layout {
    folder: PathBuf,
    index: Mutex<Index>,
    subjects: OnceLock<BTreeMap<Digest, Vec<Descriptor>>>,
}

impl Layout {
    /// Makes the folder, or takes one that is a layout already, with an empty index.
    ///
    /// # Errors
    /// It cannot be written.
    pub(in crate::cli::cosign) fn create(folder: &Path) -> Result<Self, Failure> {
        let blobs = folder.join("blobs").join(Algorithm::Sha256.as_str());
        std::fs::create_dir_all(&blobs).map_err(|error| {
            Failure::new(format!("mkdir {}: {}", blobs.display(), reason(&error)))
        })?;
        let layout = Self {
            folder: folder.to_path_buf(),
            index: Mutex::new(Index::new(Vec::new())),
            subjects: OnceLock::new(),
        };
        write(&folder.join(LAYOUT_FILE), br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        layout.write_index()?;
        Ok(layout)
    }

    /// Reads a folder that somebody saved.
    ///
    /// # Errors
    /// It is no layout, or cannot be read.
    pub(in crate::cli::cosign) fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(INDEX_FILE);
        let bytes = read(&path, MAX_MANIFEST)?.ok_or_else(|| {
            Failure::new(format!("open {}: no such file or directory", path.display()))
        })?;
        let index = match Manifest::parse(&bytes, Some(media_type::OCI_INDEX)) {
            Ok(Manifest::Index(index)) => *index,
            Ok(Manifest::Image(_)) => {
                return Err(Failure::new(format!("{} is not an index", path.display())));
            }
            Err(error) => return Err(Failure::new(format!("{}: {error}", path.display()))),
        };
        Ok(Self {
            folder: folder.to_path_buf(),
            index: Mutex::new(index),
            subjects: OnceLock::new(),
        })
    }

    pub(in crate::cli::cosign) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The image that was saved: the entry that says so, or the only one that says nothing.
    ///
    /// # Errors
    /// There is none, or which is meant cannot be told.
    pub(in crate::cli::cosign) fn root(&self) -> Result<Descriptor, Failure> {
        let entries = self.entries();
        let kind = |entry: &Descriptor| entry.annotations.get(KIND).cloned();
        let named = entries
            .iter()
            .find(|entry| matches!(kind(entry).as_deref(), Some(IMAGE | IMAGE_INDEX)));
        if let Some(entry) = named {
            return Ok(entry.clone());
        }
        // Other tools write no kind; one entry leaves no choice.
        let mut plain = entries.iter().filter(|entry| kind(entry).is_none());
        match (plain.next(), plain.next()) {
            (Some(only), None) => Ok(only.clone()),
            (None, _) => Err(Failure::new(format!(
                "{} holds no image",
                self.folder.join(INDEX_FILE).display()
            ))),
            (Some(_), Some(_)) => Err(Failure::new(format!(
                "{} lists several images and marks none of them as the one that was saved",
                self.folder.join(INDEX_FILE).display()
            ))),
        }
    }

    /// The name that the saved image had.
    pub(in crate::cli::cosign) fn name_of(entry: &Descriptor) -> Option<&str> {
        entry.annotations.get(REFERENCE).map(String::as_str)
    }

    /// A manifest by digest.
    pub(in crate::cli::cosign) fn manifest(
        &self,
        digest: &Digest,
    ) -> Result<Option<Bytes>, Failure> {
        self.content(digest, MAX_MANIFEST)
    }

    /// A blob by digest, of this size when it is given.
    pub(in crate::cli::cosign) fn blob(
        &self,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Option<Bytes>, Failure> {
        let bytes = self.content(digest, size.unwrap_or(super::MAX_BLOB))?;
        match (&bytes, size) {
            (Some(bytes), Some(size)) if bytes.len() as u64 != size => Err(Failure::new(format!(
                "{}: {} bytes instead of {size}",
                self.path(digest).display(),
                bytes.len()
            ))),
            _ => Ok(bytes),
        }
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// What would lie under an attached tag.
    pub(in crate::cli::cosign) fn attached(&self, tag: &str) -> Result<Option<Tagged>, Failure> {
        let kind = match tag.rsplit_once('.') {
            Some((_, "sig")) => Some(SIGNATURES),
            Some((_, "att")) => Some(ATTESTATIONS),
            _ => None,
        };
        // cosign marks what belongs to the saved image by its kind alone.
        let of_root = |entry: &&Descriptor| {
            kind.is_some()
                && entry.annotations.get(KIND).map(String::as_str) == kind
                && self.root().is_ok_and(|root| {
                    [Attachment::Signature, Attachment::Attestation]
                        .iter()
                        .any(|it| attached_tag(&root.digest, *it, "") == tag)
                })
        };
        let entries = self.entries();
        let by_tag = |entry: &&Descriptor| Self::name_of(entry) == Some(tag);
        let Some(entry) = entries.iter().find(by_tag).or_else(|| entries.iter().find(of_root))
        else {
            return Ok(None);
        };
        let bytes = self.manifest(&entry.digest)?.ok_or_else(|| {
            Failure::new(format!("{} is listed and missing", self.path(&entry.digest).display()))
        })?;
        Ok(Some(Tagged {
            digest: entry.digest.clone(),
            media_type: Some(entry.media_type.as_str().into()),
            bytes,
        }))
    }

    /// The manifests whose subject this is.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(in crate::cli::cosign) fn referrers(
        &self,
        of: &Digest,
    ) -> Result<Vec<Descriptor>, Failure> {
        let subjects = if let Some(subjects) = self.subjects.get() {
            subjects
        } else {
            let found = self.scan()?;
            self.subjects.get_or_init(|| found)
        };
        Ok(subjects.get(of).cloned().unwrap_or_default())
    }

    /// Looks into every blob that could be a manifest.
    fn scan(&self) -> Result<BTreeMap<Digest, Vec<Descriptor>>, Failure> {
        let folder = self.folder.join("blobs").join(Algorithm::Sha256.as_str());
        let fail = |error: std::io::Error| {
            Failure::new(format!("open {}: {}", folder.display(), reason(&error)))
        };
        let mut names = Vec::new();
        for file in std::fs::read_dir(&folder).map_err(fail)? {
            names.push(file.map_err(fail)?.file_name());
            if names.len() > MAX_FILES {
                return Err(Failure::new(format!(
                    "{} holds more than {MAX_FILES} files",
                    folder.display()
                )));
            }
        }
        names.sort();
        let mut found: BTreeMap<Digest, Vec<Descriptor>> = BTreeMap::new();
        for name in names {
            let Ok(digest) = Digest::parse(&format!("sha256:{}", name.to_string_lossy())) else {
                continue;
            };
            let small = self.path(&digest).metadata().is_ok_and(|it| it.len() <= MAX_MANIFEST);
            if !small {
                continue;
            }
            let Some(bytes) = self.manifest(&digest)? else { continue };
            let Ok(Manifest::Image(manifest)) = Manifest::parse(&bytes, None) else { continue };
            let Some(subject) = &manifest.subject else { continue };
            let own = manifest.media_type.as_deref().unwrap_or(media_type::OCI_MANIFEST);
            let mut entry = Descriptor::new(own, digest, bytes.len() as u64);
            entry.artifact_type = Some(manifest.referrer_type().to_owned());
            found.entry(subject.digest.clone()).or_default().push(entry);
        }
        Ok(found)
    }

    /// Stores bytes that hash to this digest.
    pub(super) fn put_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path(digest);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if path.is_file() { Ok(()) } else { write(&path, bytes) }
    }

    /// Stores a manifest, and lists it where cosign looks for it.
    pub(super) fn put_manifest(&self, piece: &Piece) -> Result<(), Failure> {
        self.put_blob(&piece.digest, &piece.bytes)?;
        let mut entry =
            Descriptor::new(&piece.media_type, piece.digest.clone(), piece.bytes.len() as u64);
        let root = self.root().ok();
        let of_root = root.is_some_and(|root| root.digest == piece.of);
        let tag = piece.tag.as_deref();
        let (kind, reference) = match (&piece.what, tag) {
            (What::Entity, Some(name)) => {
                let kind =
                    if media_type::is_index(&piece.media_type) { IMAGE_INDEX } else { IMAGE };
                (Some(kind), Some(name))
            }
            (What::Attached(Attachment::Signature), _) if of_root => (Some(SIGNATURES), tag),
            (What::Attached(Attachment::Attestation), _) if of_root => (Some(ATTESTATIONS), tag),
            (What::Attached(_), _) => (None, tag),
            // Found through what lists it, or through its subject.
            (What::Entity, None) | (What::Referrer, _) => return Ok(()),
        };
        if let Some(kind) = kind {
            entry.annotations.insert(KIND.to_owned(), kind.to_owned());
        }
        if let Some(reference) = reference {
            entry.annotations.insert(REFERENCE.to_owned(), reference.to_owned());
        }
        {
            let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
            index.manifests.retain(|known| {
                known.digest != entry.digest || known.annotations != entry.annotations
            });
            index.manifests.push(entry);
        }
        self.write_index()
    }

    fn write_index(&self) -> Result<(), Failure> {
        let bytes = {
            let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
            index.media_type = Some(media_type::OCI_INDEX.to_owned());
            serde_json::to_vec_pretty(&*index)?
        };
        write(&self.folder.join(INDEX_FILE), &bytes)
    }

    fn entries(&self) -> Vec<Descriptor> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner).manifests.clone()
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    /// Bytes that hash to their name; the folder may come from anywhere.
    fn content(&self, digest: &Digest, limit: u64) -> Result<Option<Bytes>, Failure> {
        let path = self.path(digest);
        let Some(bytes) = read(&path, limit)? else { return Ok(None) };
        if digest.algorithm() != Algorithm::Sha256 {
            return Err(Failure::new(format!(
                "{}: only sha256 can be checked in a folder",
                path.display()
            )));
        }
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let found = <[u8; 32]>::try_from(hash.as_ref()).map(|hash| Digest::sha256(&hash));
        if found.as_ref().ok() != Some(digest) {
            return Err(Failure::new(format!("{} does not hash to its name", path.display())));
        }
        Ok(Some(bytes.into()))
    }
}

fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
    let fail = |error: std::io::Error| {
        Failure::new(format!("open {}: {}", path.display(), reason(&error)))
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(Failure::new(format!("{} is larger than {limit} bytes", path.display())));
    }
    Ok(Some(bytes))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    crate::cli::cosign::keys::write_file(path, bytes, 0o644)
}
