//! Limits that a request meets before anyone reads it: method, content type, size, time.
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use std::time::Duration;

/// Why a body was not read: a status and a sentence for the API server's log.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) reason: String,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

/// Reads a JSON body of at most `limit` bytes within `time`.
pub(crate) async fn read_json_body(
    headers: &HeaderMap,
    body: Incoming,
    limit: usize,
    time: Duration,
) -> Result<Bytes, Refused> {
    let json =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
            value.split(';').next().unwrap_or_default().trim() == "application/json"
        });
    if !json {
        return Err(Refused::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid Content-Type, expected `application/json`",
        ));
    }
    let collected = tokio::time::timeout(time, Limited::new(body, limit).collect()).await;
    match collected {
        Err(_elapsed) => Err(Refused::new(
            StatusCode::REQUEST_TIMEOUT,
            "the request body did not arrive in time",
        )),
        Ok(Ok(collected)) => {
            let bytes = collected.to_bytes();
            if bytes.is_empty() {
                return Err(Refused::new(StatusCode::EXPECTATION_FAILED, "empty body"));
            }
            Ok(bytes)
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refused::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request body is larger than {limit} bytes"),
        )),
        Ok(Err(error)) => Err(Refused::new(
            StatusCode::BAD_REQUEST,
            format!("the request body could not be read: {error}"),
        )),
    }
}

/// The API server's `?timeout=10s`, read as Go writes durations of whole units; 1–30 s in practice, capped at 60 s.
pub(crate) fn timeout_of(query: Option<&str>) -> Option<Duration> {
    let value = query?.split('&').find_map(|pair| pair.strip_prefix("timeout="))?;
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = value.strip_prefix(digits)?;
    let duration = match unit {
        "s" | "" => Duration::from_secs(number),
        "ms" => Duration::from_millis(number),
        "m" => Duration::from_secs(number.checked_mul(60)?),
        _ => return None,
    };
    Some(duration.min(Duration::from_mins(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_timeout_the_api_server_sends() {
        let check = |query: &str, expected: Option<Duration>| {
            assert_eq!(timeout_of(Some(query)), expected, "{query}");
        };
        check("timeout=10s", Some(Duration::from_secs(10)));
        check("a=b&timeout=500ms", Some(Duration::from_millis(500)));
        check("timeout=1m", Some(Duration::from_mins(1)));
        check("timeout=9999999999999999999m", None);
        check("timeout=3600s", Some(Duration::from_mins(1)));
        check("timeout=", None);
        check("timeout=s", None);
        check("other=1s", None);
    }
}
