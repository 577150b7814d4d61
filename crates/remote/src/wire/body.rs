//! Reading a body: bounded in bytes and time, hashed while it streams.
use crate::error::{FetchError, Malformed, Place};
use aws_lc_rs::digest::{Context, SHA256, SHA512};
use bytes::{Bytes, BytesMut};
use sigward_oci::{Algorithm, Digest};
use smol_str::format_smolstr;
use std::time::{Duration, Instant};

/// What of a body is checked.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    /// Most bytes that are read.
    pub(crate) cap: u64,
    /// What it is called when it is too large.
    pub(crate) what: &'static str,
    /// What it must hash to.
    pub(crate) digest: Option<Digest>,
    /// How long its descriptor says it is.
    pub(crate) size: Option<u64>,
    /// Longest silence between two pieces.
    pub(crate) idle: Duration,
}

/// A failure, and whether the connection was at fault.
pub(crate) enum Broken {
    /// Final.
    Error(FetchError),
    /// The connection broke: the same request may succeed.
    Reset(reqwest::Error),
}

/// Reads the whole body.
pub(crate) async fn read(
    mut response: reqwest::Response,
    expect: &Expect,
    place: &Place,
    deadline: Instant,
) -> Result<Bytes, Broken> {
    let started = Instant::now();
    let too_large = || {
        Broken::Error(FetchError::TooLarge {
            place: place.clone(),
            what: expect.what,
            limit: expect.cap,
        })
    };
    let wrong = |what: Malformed, said| {
        Broken::Error(FetchError::Malformed { place: place.clone(), what, said })
    };
    let announced = response.content_length();
    if announced.is_some_and(|length| length > expect.cap) {
        return Err(too_large());
    }
    let mut context = expect.digest.as_ref().map(|digest| {
        Context::new(match digest.algorithm() {
            Algorithm::Sha256 => &SHA256,
            Algorithm::Sha512 => &SHA512,
        })
    });
    // Reserve what was announced, but never more than a little on somebody else's word.
    let reserve = announced.unwrap_or(0).min(64 << 10);
    let mut body = BytesMut::with_capacity(usize::try_from(reserve).unwrap_or(0));
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).min(expect.idle);
        let piece = match tokio::time::timeout(left, response.chunk()).await {
            Err(_) => {
                let waited = started.elapsed();
                let last = Some("the body stopped coming".into());
                return Err(Broken::Error(FetchError::TimedOut {
                    place: place.clone(),
                    waited,
                    last,
                }));
            }
            Ok(Err(error)) => return Err(Broken::Reset(error)),
            Ok(Ok(None)) => break,
            Ok(Ok(Some(piece))) => piece,
        };
        let length = (body.len() as u64).saturating_add(piece.len() as u64);
        if length > expect.cap {
            return Err(too_large());
        }
        if let Some(size) = expect.size.filter(|size| length > *size) {
            return Err(wrong(Malformed::Size, Some(format_smolstr!("more than {size} bytes"))));
        }
        if let Some(context) = &mut context {
            context.update(&piece);
        }
        body.extend_from_slice(&piece);
    }
    if let (Some(context), Some(digest)) = (context, &expect.digest) {
        let found = digest_of(digest.algorithm(), context.finish().as_ref());
        if found.as_ref() != Some(digest) {
            let said = found.map(|found| format_smolstr!("asked for {digest}, got {found}"));
            return Err(wrong(Malformed::DigestMismatch, said));
        }
    }
    if let Some(size) = expect.size.filter(|size| *size != body.len() as u64) {
        let said = format_smolstr!("{} bytes instead of {size}", body.len());
        return Err(wrong(Malformed::Size, Some(said)));
    }
    Ok(body.freeze())
}

/// The digest of bytes in memory.
pub(crate) fn hash(algorithm: Algorithm, bytes: &[u8]) -> Option<Digest> {
    let function = match algorithm {
        Algorithm::Sha256 => &SHA256,
        Algorithm::Sha512 => &SHA512,
    };
    digest_of(algorithm, aws_lc_rs::digest::digest(function, bytes).as_ref())
}

fn digest_of(algorithm: Algorithm, hash: &[u8]) -> Option<Digest> {
    match algorithm {
        Algorithm::Sha256 => hash.try_into().ok().map(Digest::sha256),
        Algorithm::Sha512 => hash.try_into().ok().map(Digest::sha512),
    }
}
