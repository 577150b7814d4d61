//! How long to wait before a request is sent again.
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::{
    hash::{BuildHasher as _, RandomState},
    time::{Duration, SystemTime},
};

/// Exponential, with "equal jitter": between half and the whole of `first · 2^attempt`, at most
/// `longest`. Clients that failed together do not come back together.
pub(crate) fn backoff(first: Duration, attempt: u32, longest: Duration) -> Duration {
    let whole = first.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(longest);
    // Every `RandomState` is keyed anew, which is all the randomness that jitter needs.
    let random = RandomState::new().hash_one(attempt);
    let share = u32::try_from(random % 1000).unwrap_or(0);
    let half = whole / 2;
    half + half.saturating_mul(share) / 1000
}

/// `Retry-After` in seconds or as a date.
///
/// SPEC: RFC 9110 section 10.2.3.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(u64::try_from(date).ok()?.saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn check(text: &'static str, expected: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_400);
        assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        check("7", Some(7));
        check(" 0 ", Some(0));
        check("Wed, 21 Oct 2015 07:28:00 GMT", Some(80));
        check("Tue, 20 Oct 2015 07:28:00 GMT", Some(0));
        check("soon", None);
        check("-1", None);
    }

    #[test]
    fn pauses_grow_vary_and_stay_bounded() {
        let first = Duration::from_millis(100);
        let longest = Duration::from_secs(2);
        for attempt in 0..40 {
            let whole = (first * (1 << attempt.min(10))).min(longest);
            for _ in 0..20 {
                let pause = backoff(first, attempt, longest);
                assert!(pause >= whole / 2 && pause <= whole, "{attempt}: {pause:?}");
            }
        }
        let different: std::collections::BTreeSet<_> =
            (0..50).map(|_| backoff(first, 3, longest)).collect();
        assert!(different.len() > 10);
    }
}
