//! `--type`: which predicate it is, and how a file becomes one.
//!
//! COMPAT: cosign 3.1.1: the table of `attest --type`; kinds with a schema keep the fields of the
//! schema and lose the others. test: each_type_wraps_as_cosign_does
use crate::{encoding::go_json_string, statement::STATEMENT_V01};
use serde_json::{Map, Value as Json};
use sigward_oci::Digest;

/// A predicate type as `--type` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PredicateType {
    /// Anything; the file goes in as a text, with the time.
    Custom,
    /// SLSA provenance 0.2 (`slsaprovenance`, `slsaprovenance02`).
    SlsaProvenance02,
    /// SLSA provenance 1.
    SlsaProvenance1,
    /// SPDX as text.
    Spdx,
    /// SPDX as JSON.
    SpdxJson,
    /// CycloneDX.
    CycloneDx,
    /// in-toto link.
    Link,
    /// cosign's vulnerability scan.
    Vuln,
    /// OpenVEX.
    OpenVex,
    /// Any other URI; the file is the predicate.
    Uri(String),
}

/// Why a file is no predicate of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PredicateError {
    /// Neither one of the names nor a URI.
    #[error("invalid predicate type {0:?}: a known name or a URI is expected")]
    UnknownType(String),
    /// The type wants a JSON object.
    #[error("predicate must be a JSON object")]
    NotAnObject,
    /// The type wants text.
    #[error("predicate must be UTF-8 text")]
    NotText,
    /// A field does not have the schema's type.
    #[error("predicate field {path} must be {expected}")]
    Field {
        /// Its path.
        path: String,
        /// What the schema says.
        expected: &'static str,
    },
}

/// What the schema says about one place.
#[derive(Clone, Copy)]
enum Shape {
    Any,
    Text,
    Bool,
    Object(&'static [Field]),
    List(&'static Self),
}

/// Name in the file, name in the predicate, shape.
struct Field(&'static str, &'static str, Shape);

/// A field that keeps its name.
const fn field(name: &'static str, shape: Shape) -> Field {
    Field(name, name, shape)
}

use Shape::{Any, Bool, List, Object, Text};

const MATERIAL: Shape = Object(&[field("uri", Text), field("digest", Any)]);
/// SPEC: slsa.dev/provenance/v0.2.
const SLSA_02: Shape = Object(&[
    field("builder", Object(&[field("id", Text)])),
    field("buildType", Text),
    field(
        "invocation",
        Object(&[
            field(
                "configSource",
                Object(&[field("uri", Text), field("digest", Any), field("entryPoint", Text)]),
            ),
            field("parameters", Any),
            field("environment", Any),
        ]),
    ),
    field("buildConfig", Any),
    field(
        "metadata",
        Object(&[
            field("buildInvocationId", Text),
            Field("buildInvocationID", "buildInvocationId", Text),
            field("buildStartedOn", Text),
            field("buildFinishedOn", Text),
            field(
                "completeness",
                Object(&[
                    field("parameters", Bool),
                    field("environment", Bool),
                    field("materials", Bool),
                ]),
            ),
            field("reproducible", Bool),
        ]),
    ),
    field("materials", List(&MATERIAL)),
]);
const RESOURCE: Shape = Object(&[
    field("uri", Text),
    field("digest", Any),
    field("name", Text),
    field("downloadLocation", Text),
    field("mediaType", Text),
    field("content", Text),
    field("annotations", Any),
]);
/// SPEC: slsa.dev/provenance/v1.
const SLSA_1: Shape = Object(&[
    field(
        "buildDefinition",
        Object(&[
            field("buildType", Text),
            field("externalParameters", Any),
            field("internalParameters", Any),
            field("resolvedDependencies", List(&RESOURCE)),
        ]),
    ),
    field(
        "runDetails",
        Object(&[
            field(
                "builder",
                Object(&[
                    field("id", Text),
                    field("version", Any),
                    field("builderDependencies", List(&RESOURCE)),
                ]),
            ),
            field(
                "metadata",
                Object(&[
                    field("invocationId", Text),
                    Field("invocationID", "invocationId", Text),
                    field("startedOn", Text),
                    field("finishedOn", Text),
                ]),
            ),
            field("byproducts", List(&RESOURCE)),
        ]),
    ),
]);
/// SPEC: in-toto.io/Link/v1.
const LINK: Shape = Object(&[
    field("_type", Text),
    field("name", Text),
    field("command", List(&Text)),
    field("materials", Any),
    field("products", Any),
    field("byproducts", Any),
    field("environment", Any),
]);
/// SPEC: cosign specs, COSIGN_VULN_ATTESTATION_SPEC.md.
const VULN: Shape = Object(&[
    field(
        "invocation",
        Object(&[
            field("parameters", Any),
            field("uri", Text),
            field("event_id", Text),
            field("builder.id", Text),
        ]),
    ),
    field(
        "scanner",
        Object(&[
            field("uri", Text),
            field("version", Text),
            field("db", Object(&[field("uri", Text), field("version", Text)])),
            field("result", Any),
        ]),
    ),
    field("metadata", Object(&[field("scanStartedOn", Text), field("scanFinishedOn", Text)])),
]);

impl PredicateType {
    /// Reads what `--type` says.
    pub fn parse(text: &str) -> Result<Self, PredicateError> {
        Ok(match text {
            "custom" => Self::Custom,
            "slsaprovenance" | "slsaprovenance02" => Self::SlsaProvenance02,
            "slsaprovenance1" => Self::SlsaProvenance1,
            "spdx" => Self::Spdx,
            "spdxjson" => Self::SpdxJson,
            "cyclonedx" => Self::CycloneDx,
            "link" => Self::Link,
            "vuln" => Self::Vuln,
            "openvex" => Self::OpenVex,
            // Go's url.ParseRequestURI: absolute, or a path.
            uri if uri.starts_with('/') || has_scheme(uri) => Self::Uri(uri.to_owned()),
            other => {
                return Err(PredicateError::UnknownType(
                    crate::encoding::printable(other).to_string(),
                ));
            }
        })
    }

    /// The URI that stands in `predicateType`.
    pub fn uri(&self) -> &str {
        match self {
            Self::Custom => "https://cosign.sigstore.dev/attestation/v1",
            Self::SlsaProvenance02 => "https://slsa.dev/provenance/v0.2",
            Self::SlsaProvenance1 => "https://slsa.dev/provenance/v1",
            Self::Spdx | Self::SpdxJson => "https://spdx.dev/Document",
            Self::CycloneDx => "https://cyclonedx.org/bom",
            Self::Link => "https://in-toto.io/Link/v1",
            Self::Vuln => "https://cosign.sigstore.dev/attestation/vuln/v1",
            Self::OpenVex => "https://openvex.dev/ns",
            Self::Uri(uri) => uri,
        }
    }

    /// Makes the predicate of a file, as JSON text. `now` is RFC 3339, for [`Self::Custom`].
    pub fn wrap(&self, file: &[u8], now: &str) -> Result<String, PredicateError> {
        let text = || std::str::from_utf8(file).map_err(|_| PredicateError::NotText);
        let shape = match self {
            Self::Custom => {
                return Ok(format!(
                    r#"{{"Data":{},"Timestamp":{}}}"#,
                    go_json_string(text()?),
                    go_json_string(now)
                ));
            }
            Self::Spdx => return Ok(go_json_string(text()?)),
            Self::SlsaProvenance02 => SLSA_02,
            Self::SlsaProvenance1 => SLSA_1,
            Self::Link => LINK,
            Self::Vuln => VULN,
            Self::SpdxJson | Self::CycloneDx | Self::OpenVex | Self::Uri(_) => Any,
        };
        let json: Json = serde_json::from_slice(file).map_err(|_| PredicateError::NotAnObject)?;
        if !json.is_object() {
            return Err(PredicateError::NotAnObject);
        }
        Ok(project(json, shape, "")?.to_string())
    }
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        !rest.is_empty()
            && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

/// Keeps what the schema knows.
fn project(json: Json, shape: Shape, path: &str) -> Result<Json, PredicateError> {
    let expected = match (shape, json) {
        // Go reads null into anything.
        (_, Json::Null) => return Ok(Json::Null),
        (Any, any) => return Ok(any),
        (Text, Json::String(text)) => return Ok(Json::String(text)),
        (Bool, Json::Bool(bool)) => return Ok(Json::Bool(bool)),
        (List(element), Json::Array(list)) => {
            let mut kept = Vec::with_capacity(list.len());
            for (i, item) in list.into_iter().enumerate() {
                kept.push(project(item, *element, &format!("{path}[{i}]"))?);
            }
            return Ok(Json::Array(kept));
        }
        (Object(fields), Json::Object(mut map)) => {
            let mut kept = Map::new();
            for Field(name, written, shape) in fields {
                if let Some(value) = map.remove(*name) {
                    let path =
                        if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
                    kept.insert((*written).to_owned(), project(value, *shape, &path)?);
                }
            }
            return Ok(Json::Object(kept));
        }
        (Text, _) => "a string",
        (Bool, _) => "true or false",
        (List(_), _) => "a list",
        (Object(_), _) => "an object",
    };
    Err(PredicateError::Field { path: path.to_owned(), expected })
}

/// The statement that `attest` signs: `name` is the repository, or a file's base name.
pub fn attestation_statement(
    name: &str,
    artifact: &Digest,
    predicate_type: &PredicateType,
    predicate: &str,
) -> Vec<u8> {
    format!(
        r#"{{"_type":"{STATEMENT_V01}","predicateType":{},"subject":[{{"name":{},"digest":{{"{}":"{}"}}}}],"predicate":{predicate}}}"#,
        go_json_string(predicate_type.uri()),
        go_json_string(name),
        artifact.algorithm().as_str(),
        artifact.hex()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests;
