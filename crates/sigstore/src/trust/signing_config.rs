//! Where to sign: `signing_config.json`, and which of its services to use.
//!
//! SPEC: sigstore protobuf-specs 0.5, sigstore_trustroot.proto, SigningConfig v0.2.
use super::{
    MAX_AUTHORITIES, MAX_TRUSTED_ROOT, TrustError, Validity,
    json::{WirePeriod, list, period, write_period},
};
use crate::{
    encoding::{EnumValue, printable},
    requirement::Timestamp,
};
use serde::{Deserialize, Serialize};

/// The media type that is read and written.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.signingconfig.v0.2+json";

/// Addresses of services by what they do. An absent service means "do not use one".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SigningConfig {
    /// Certificate authorities (Fulcio).
    pub ca_urls: Vec<Service>,
    /// Issuers of identity tokens.
    pub oidc_urls: Vec<Service>,
    /// Logs of signatures (Rekor).
    pub rekor_tlog_urls: Vec<Service>,
    /// Timestamp authorities.
    pub tsa_urls: Vec<Service>,
    /// How many logs to use.
    pub rekor_tlog_config: Option<Selector>,
    /// How many timestamp authorities to use.
    pub tsa_config: Option<Selector>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its address.
    pub url: String,
    /// The version of its interface.
    pub major_api_version: u32,
    /// When it may be used.
    pub valid_for: Validity,
    /// Who runs it.
    pub operator: String,
}

/// How many of the usable services to use, each of another operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// One, whichever.
    Any,
    /// All.
    All,
    /// So many; fewer are an error.
    Exact(u32),
}

/// The services to use.
pub type Selection<'a> = Vec<&'a Service>;

/// Why a signing configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningConfigError {
    /// Not JSON of this shape.
    #[error("malformed signing config: {0}")]
    Malformed(String),
    /// A version that is not known.
    #[error("unsupported signing config media type {0:?}")]
    MediaType(String),
    /// A field of it cannot be read.
    #[error("signing config: {field}: {problem}")]
    Field {
        /// Where, for example `tsaUrls[0].validFor.start`.
        field: String,
        /// What is wrong there.
        problem: String,
    },
    /// More elements, or more bytes, than are read.
    #[error("signing config is too large")]
    TooLarge,
    /// No service can be used at this time with one of the supported interfaces.
    #[error("no service of a supported version that is valid now")]
    NoService,
    /// Fewer operators than are asked for.
    #[error("{wanted} services are asked for and {found} can be used")]
    TooFew {
        /// `count` of the configuration.
        wanted: u32,
        /// How many operators have one.
        found: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "crate::encoding::or_default", alias = "media_type")]
    media_type: String,
    #[serde(default, alias = "ca_urls", skip_serializing_if = "Option::is_none")]
    ca_urls: Option<Vec<WireService>>,
    #[serde(default, alias = "oidc_urls", skip_serializing_if = "Option::is_none")]
    oidc_urls: Option<Vec<WireService>>,
    #[serde(default, alias = "rekor_tlog_urls", skip_serializing_if = "Option::is_none")]
    rekor_tlog_urls: Option<Vec<WireService>>,
    #[serde(default, alias = "rekor_tlog_config", skip_serializing_if = "Option::is_none")]
    rekor_tlog_config: Option<WireSelector>,
    #[serde(default, alias = "tsa_urls", skip_serializing_if = "Option::is_none")]
    tsa_urls: Option<Vec<WireService>>,
    #[serde(default, alias = "tsa_config", skip_serializing_if = "Option::is_none")]
    tsa_config: Option<WireSelector>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireService {
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    url: String,
    #[serde(
        default,
        deserialize_with = "crate::encoding::or_default",
        alias = "major_api_version"
    )]
    major_api_version: u32,
    #[serde(default, alias = "valid_for", skip_serializing_if = "Option::is_none")]
    valid_for: Option<WirePeriod>,
    #[serde(default, deserialize_with = "crate::encoding::or_default")]
    operator: String,
}

#[derive(Serialize, Deserialize)]
struct WireSelector {
    #[serde(default)]
    selector: Option<EnumValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
}

impl SigningConfig {
    /// Reads a configuration.
    pub fn parse(bytes: &[u8]) -> Result<Self, SigningConfigError> {
        if bytes.len() > MAX_TRUSTED_ROOT {
            return Err(SigningConfigError::TooLarge);
        }
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(SigningConfigError::Malformed("not a JSON object".to_owned()));
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(|error| {
            SigningConfigError::Malformed(printable(&error.to_string()).to_string())
        })?;
        if wire.media_type != MEDIA_TYPE {
            let media_type = printable(&wire.media_type).to_string();
            return Err(SigningConfigError::MediaType(media_type));
        }
        Ok(Self {
            ca_urls: services("caUrls", wire.ca_urls)?,
            oidc_urls: services("oidcUrls", wire.oidc_urls)?,
            rekor_tlog_urls: services("rekorTlogUrls", wire.rekor_tlog_urls)?,
            tsa_urls: services("tsaUrls", wire.tsa_urls)?,
            rekor_tlog_config: selector("rekorTlogConfig", wire.rekor_tlog_config)?,
            tsa_config: selector("tsaConfig", wire.tsa_config)?,
        })
    }

    /// The file.
    pub fn to_json(&self) -> String {
        let wire = Wire {
            media_type: MEDIA_TYPE.to_owned(),
            ca_urls: write_services(&self.ca_urls),
            oidc_urls: write_services(&self.oidc_urls),
            rekor_tlog_urls: write_services(&self.rekor_tlog_urls),
            rekor_tlog_config: self.rekor_tlog_config.map(write_selector),
            tsa_urls: write_services(&self.tsa_urls),
            tsa_config: self.tsa_config.map(write_selector),
        };
        // Strings and numbers only: writing them cannot fail.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// The one certificate authority to ask; `None` when none is configured.
    pub fn ca(
        &self,
        versions: &[u32],
        now: Timestamp,
    ) -> Result<Option<&Service>, SigningConfigError> {
        one(&self.ca_urls, versions, now)
    }

    /// The one issuer of identity tokens; `None` when none is configured.
    pub fn oidc(
        &self,
        versions: &[u32],
        now: Timestamp,
    ) -> Result<Option<&Service>, SigningConfigError> {
        one(&self.oidc_urls, versions, now)
    }

    /// The logs to write to; empty when none is configured. `seed` decides between equals.
    pub fn rekor(
        &self,
        versions: &[u32],
        now: Timestamp,
        seed: u64,
    ) -> Result<Selection<'_>, SigningConfigError> {
        some("rekorTlogConfig", &self.rekor_tlog_urls, self.rekor_tlog_config, versions, now, seed)
    }

    /// The timestamp authorities to ask; empty when none is configured.
    pub fn tsa(
        &self,
        versions: &[u32],
        now: Timestamp,
        seed: u64,
    ) -> Result<Selection<'_>, SigningConfigError> {
        some("tsaConfig", &self.tsa_urls, self.tsa_config, versions, now, seed)
    }
}

fn one<'a>(
    services: &'a [Service],
    versions: &[u32],
    now: Timestamp,
) -> Result<Option<&'a Service>, SigningConfigError> {
    if services.is_empty() {
        return Ok(None);
    }
    Ok(usable(services, versions, now)?.into_iter().next())
}

fn some<'a>(
    field: &str,
    services: &'a [Service],
    selector: Option<Selector>,
    versions: &[u32],
    now: Timestamp,
    seed: u64,
) -> Result<Selection<'a>, SigningConfigError> {
    if services.is_empty() {
        return Ok(Vec::new());
    }
    let selector = selector.ok_or_else(|| SigningConfigError::Field {
        field: field.to_owned(),
        problem: "is missing beside its services".to_owned(),
    })?;
    select(services, selector, versions, now, seed)
}

/// For each operator its best service: the highest supported version, then the newest. Ordered by
/// the same.
fn usable<'a>(
    services: &'a [Service],
    versions: &[u32],
    now: Timestamp,
) -> Result<Selection<'a>, SigningConfigError> {
    let mut candidates: Vec<_> = services
        .iter()
        .filter(|s| versions.contains(&s.major_api_version) && s.valid_for.contains(now))
        .collect();
    candidates.sort_by_key(|s| std::cmp::Reverse((s.major_api_version, s.valid_for.start)));
    let mut chosen: Selection<'a> = Vec::new();
    for service in candidates {
        if chosen.iter().all(|there| there.operator != service.operator) {
            chosen.push(service);
        }
    }
    if chosen.is_empty() { Err(SigningConfigError::NoService) } else { Ok(chosen) }
}

/// Chooses among services: those of a supported version that are valid now, the best of each
/// operator, then as many as the selector says.
pub fn select<'a>(
    services: &'a [Service],
    selector: Selector,
    versions: &[u32],
    now: Timestamp,
    seed: u64,
) -> Result<Selection<'a>, SigningConfigError> {
    let mut chosen = usable(services, versions, now)?;
    match selector {
        Selector::All => Ok(chosen),
        Selector::Any => {
            let count = u64::try_from(chosen.len()).unwrap_or(u64::MAX);
            let at = usize::try_from(seed % count.max(1)).unwrap_or_default();
            Ok(chosen.into_iter().skip(at).take(1).collect())
        }
        Selector::Exact(wanted) => {
            let count = usize::try_from(wanted).unwrap_or(usize::MAX);
            if chosen.len() < count {
                return Err(SigningConfigError::TooFew { wanted, found: chosen.len() });
            }
            chosen.truncate(count);
            Ok(chosen)
        }
    }
}

fn services(
    name: &str,
    wire: Option<Vec<WireService>>,
) -> Result<Vec<Service>, SigningConfigError> {
    let wire = wire.unwrap_or_default();
    if wire.len() > MAX_AUTHORITIES {
        return Err(SigningConfigError::TooLarge);
    }
    let read = |(i, wire): (usize, WireService)| {
        let field = format!("{name}[{i}]");
        if wire.url.is_empty() {
            return Err(SigningConfigError::Field {
                field: format!("{field}.url"),
                problem: "is missing".to_owned(),
            });
        }
        let valid_for =
            period(&format!("{field}.validFor"), wire.valid_for).map_err(|error| match error {
                TrustError::Element { field, problem } => {
                    SigningConfigError::Field { field, problem }
                }
                other @ (TrustError::Malformed(_)
                | TrustError::MediaType(_)
                | TrustError::TooLarge) => SigningConfigError::Malformed(other.to_string()),
            })?;
        Ok(Service {
            url: wire.url,
            major_api_version: wire.major_api_version,
            valid_for,
            operator: wire.operator,
        })
    };
    wire.into_iter().enumerate().map(read).collect()
}

fn selector(
    name: &str,
    wire: Option<WireSelector>,
) -> Result<Option<Selector>, SigningConfigError> {
    let Some(wire) = wire else { return Ok(None) };
    let wrong = |problem: &str| SigningConfigError::Field {
        field: format!("{name}.selector"),
        problem: problem.to_owned(),
    };
    let kind = match wire.selector.map(EnumValue::into_name).unwrap_or_default().as_str() {
        "1" => "ALL".to_owned(),
        "2" => "ANY".to_owned(),
        "3" => "EXACT".to_owned(),
        other => other.to_owned(),
    };
    match (kind.as_str(), wire.count.unwrap_or_default()) {
        // COMPAT: cosign 3.1.3: `{}` beside no services. test: an_empty_selector_is_none
        ("" | "0" | "SERVICE_SELECTOR_UNDEFINED", 0) => Ok(None),
        ("ALL", _) => Ok(Some(Selector::All)),
        ("ANY", _) => Ok(Some(Selector::Any)),
        ("EXACT", 0) => Err(wrong("EXACT needs a count of at least 1")),
        ("EXACT", count) => Ok(Some(Selector::Exact(count))),
        _ => Err(wrong("is none of ANY, ALL and EXACT")),
    }
}

fn write_services(services: &[Service]) -> Option<Vec<WireService>> {
    let write = |service: &Service| WireService {
        url: service.url.clone(),
        major_api_version: service.major_api_version,
        valid_for: write_period(service.valid_for),
        operator: service.operator.clone(),
    };
    list(services, write)
}

fn write_selector(selector: Selector) -> WireSelector {
    let (name, count) = match selector {
        Selector::Any => ("ANY", None),
        Selector::All => ("ALL", None),
        Selector::Exact(count) => ("EXACT", Some(count)),
    };
    WireSelector { selector: Some(EnumValue::Name(name.to_owned())), count }
}
