//! Signing with an identity: real Fulcio, Rekor v2 and timestamp authority, the testkit's doubles, cosign 2 and 3, and us.

mod admission;
mod blobs;
pub(super) mod instances;
mod keyless;
mod matrix;
mod readme;

use super::Case;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = matrix::cases();
    cases.extend(blobs::cases());
    cases.extend(readme::cases());
    cases.extend(admission::cases());
    cases
}
