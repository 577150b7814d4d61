//! AWS Signature Version 4: the Authorization header of one request.
//!
//! SPEC: "Signature Version 4 signing process", AWS General Reference.
use crate::options::Secret;
use aws_lc_rs::{digest, hmac};
use std::fmt::Write as _;

/// A key of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AwsKey {
    /// `AKIA…` or `ASIA…`.
    pub(crate) id: String,
    /// Its secret.
    pub(crate) secret: Secret,
    /// Of a temporary key.
    pub(crate) session: Option<Secret>,
}

/// For whom a request is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    /// `eu-central-1`.
    pub(crate) region: &'a str,
    /// `ecr`, `kms`, ….
    pub(crate) service: &'a str,
}

/// A request without query, as far as it is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    /// `POST`.
    pub(crate) method: &'a str,
    /// Behind the host, encoded: `/`.
    pub(crate) path: &'a str,
    /// Lower-case names, sorted, `host` and `x-amz-date` among them.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub(crate) body: &'a [u8],
}

/// `20150830T123600Z`; `None` for a time that has no such form.
pub(crate) fn timestamp(unix_seconds: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(unix_seconds).ok()?;
    jiff::fmt::strtime::format("%Y%m%dT%H%M%SZ", time).ok()
}

/// The value of `Authorization`. `time` is what `x-amz-date` says.
pub(crate) fn authorization(
    key: &AwsKey,
    scope: Scope<'_>,
    time: &str,
    request: Signed<'_>,
) -> String {
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut canonical = format!("{}\n{}\n\n", request.method, request.path);
    for (name, value) in request.headers {
        // SPEC: runs of blanks count as one.
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let _never = writeln!(canonical, "{name}:{value}");
    }
    let _never = write!(canonical, "\n{names}\n{}", hash(request.body));
    let day = time.split_once('T').map_or(time, |(day, _)| day);
    let scoped = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scoped}\n{}", hash(canonical.as_bytes()));
    let mut signing = zeroize::Zeroizing::new(b"AWS4".to_vec());
    signing.extend_from_slice(key.secret.expose());
    let mut tag = mac(&signing, day.as_bytes());
    for part in [scope.region, scope.service, "aws4_request", &to_sign] {
        tag = mac(tag.as_ref(), part.as_bytes());
    }
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scoped}, SignedHeaders={names}, Signature={}",
        key.id,
        hex(tag.as_ref())
    )
}

fn mac(key: &[u8], text: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _never = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key and the time of AWS's published test suite.
    fn signature(method: &str) -> String {
        let key = AwsKey {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session: None,
        };
        let time = timestamp(1_440_938_160).unwrap();
        let headers = [("host", "example.amazonaws.com"), ("x-amz-date", time.as_str())];
        let request = Signed { method, path: "/", headers: &headers, body: b"" };
        authorization(&key, Scope { region: "us-east-1", service: "service" }, &time, request)
    }

    #[test]
    fn signatures_are_those_of_aws_s_test_suite() {
        let check = |method: &str, expected: &str| {
            assert_eq!(
                signature(method),
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature={expected}"
                )
            );
        };
        check("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        check("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
    }
}
