//! What is measured, by the name it has in the tables; aims refer to works by these.

pub(super) const SIGWARD: &str = "sigward";
pub(super) const COSIGN3: &str = "cosign3";
pub(super) const KYVERNO: &str = "kyverno";

pub(super) const VERIFY_BUNDLE_TAG: &str = "`verify --key`, bundle, by tag, referrers API";
pub(super) const VERIFY_BUNDLE_DIGEST: &str = "`verify --key`, bundle, by digest, referrers API";
pub(super) const VERIFY_FALLBACK_TAG: &str = "`verify --key`, bundle, by tag, fallback tag";
pub(super) const VERIFY_FALLBACK_DIGEST: &str = "`verify --key`, bundle, by digest, fallback tag";
pub(super) const VERIFY_LEGACY_TAG: &str = "`verify --key`, legacy, by tag";
pub(super) const VERIFY_LEGACY_DIGEST: &str = "`verify --key`, legacy, by digest";
pub(super) const SIGN_BUNDLE: &str = "`sign --key`, bundle, by digest";
pub(super) const SIGN_LEGACY: &str = "`sign --key`, legacy, by digest";
pub(super) const PROGRAM: &str = "program";

pub(super) const BLOB: &str = "`verify-blob`, keyless, offline";
pub(super) const MANY: &str = "`verify --key`, 100 images by digest";

pub(super) const LIBRARY: &str = "`test` on the policy library, without CEL";
pub(super) const APPLY: &str = "`apply`, 18 Pod Security policies to 1,000 Pods";

pub(super) const LIVENESS: &str = "bare TLS and HTTP (`/health/liveness`)";
pub(super) const NO_MATCH: &str = "(a) a Pod that no policy matches";
pub(super) const WARM_TAG: &str = "(b) signed Pod by tag, warm";
pub(super) const WARM_DIGEST: &str = "(b) signed Pod by digest, warm";
pub(super) const COLD_TAG: &str = "(c) signed Pod by tag, cold (`useCache: false`)";
pub(super) const DISTINCT: &str = "distinct images";
pub(super) const STATE: &str = "webhook";

pub(super) const FLOOR: &str = "TLS and parsing (no policy is about Pods)";
pub(super) const POD_SECURITY: &str = "18 Pod Security policies, a restricted Pod";
pub(super) const NONE_OF_MANY: &str = "200 policies of which none matches";
pub(super) const EACH_POLICY: &str = "each of 200 policies";

pub(super) const KEYLESS_WARM: &str = "keyless with a timestamp, by tag, warm";
pub(super) const KEYLESS_COLD: &str = "keyless with a timestamp, by tag, cold (`useCache: false`)";
