//! Every exit code of every command line this binary answers to.

/// All went well.
pub(crate) const SUCCESS: u8 = 0;
/// Anything that has no code of its own.
pub(crate) const FAILURE: u8 = 1;
/// cosign `verify`: the image carries no signature.
pub(crate) const NO_SIGNATURES: u8 = 10;
/// cosign `verify`: the registry has no such tag or repository.
pub(crate) const IMAGE_TAG_NOT_FOUND: u8 = 11;
/// cosign `verify`: there are signatures, and none of them satisfies.
pub(crate) const NO_MATCHING_SIGNATURES: u8 = 12;
/// cosign `verify`: a keyless check met a signature without certificate. Documented by cosign; it answers 12 in practice.
#[expect(dead_code, reason = "part of the documented set; keyless verification will use it")]
pub(crate) const NO_CERTIFICATE: u8 = 13;
