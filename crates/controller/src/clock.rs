//! Times as the Kubernetes API writes them. This crate is an edge: it may look at the clock, and does it here.
use k8s_openapi::jiff::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970; 0 for a clock before that.
pub fn unix_seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default()
}

/// `metav1.Time`: RFC 3339 in whole seconds.
pub fn rfc3339(time: SystemTime) -> String {
    let timestamp = Timestamp::from_second(unix_seconds(time)).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.to_string()
}

/// `metav1.MicroTime`: RFC 3339 with six digits behind the point.
pub fn rfc3339_micros(time: SystemTime) -> String {
    let micros = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_micros());
    let seconds = rfc3339(time);
    format!("{}.{micros:06}Z", seconds.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_are_written_as_the_api_server_reads_them() {
        let time = UNIX_EPOCH + Duration::new(1_800_000_000, 12_345_678);
        assert_eq!(rfc3339(time), "2027-01-15T08:00:00Z");
        assert_eq!(rfc3339_micros(time), "2027-01-15T08:00:00.012345Z");
        assert_eq!(unix_seconds(time), 1_800_000_000);
    }
}
