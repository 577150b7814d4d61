//! Points in time as Sigstore writes them: RFC 3339 in JSON, two kinds of text in DER.
use crate::requirement::Timestamp;
use std::fmt::Write as _;

/// Days from 1970-01-01 in the Gregorian calendar (Howard Hinnant's `days_from_civil`).
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The reverse: year, month and day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Seconds since 1970 of a day and a time of day; `None` when there is no such time.
pub(crate) fn seconds(date: [i64; 3], time: [i64; 3]) -> Option<i64> {
    let ([year, month, day], [hour, minute, second]) = (date, time);
    let sound = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=23).contains(&hour)
        && (0..=59).contains(&minute)
        && (0..=60).contains(&second);
    sound.then(|| days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// The number that some digits spell.
pub(crate) fn number(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n, c| n * 10 + i64::from(*c - b'0')))
}

/// Whole seconds, and whether a fraction was cut off.
///
/// SPEC: RFC 3339 section 5.6, as protobuf's JSON mapping writes a Timestamp.
pub(crate) fn parse_rfc3339(text: &str) -> Option<(Timestamp, bool)> {
    let bytes = text.as_bytes();
    let (date, rest) = bytes.split_at_checked(10)?;
    let [y @ .., b'-', m1, m2, b'-', d1, d2] = date else { return None };
    let [b'T' | b't' | b' ', rest @ ..] = rest else { return None };
    let (time, rest) = rest.split_at_checked(8)?;
    let [h1, h2, b':', n1, n2, b':', s1, s2] = time else { return None };
    let local = seconds(
        [number(y)?, number(&[*m1, *m2])?, number(&[*d1, *d2])?],
        [number(&[*h1, *h2])?, number(&[*n1, *n2])?, number(&[*s1, *s2])?],
    )?;
    let (fraction, zone) = match rest {
        [b'.', rest @ ..] => {
            let digits = rest.iter().take_while(|c| c.is_ascii_digit()).count();
            let (digits, zone) = rest.split_at_checked(digits)?;
            if digits.is_empty() {
                return None;
            }
            (digits.iter().any(|d| *d != b'0'), zone)
        }
        zone => (false, zone),
    };
    let offset = match zone {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let offset = number(&[*h1, *h2])? * 3600 + number(&[*m1, *m2])? * 60;
            if *sign == b'+' { offset } else { -offset }
        }
        _ => return None,
    };
    Some((Timestamp(local - offset), fraction))
}

/// `2024-01-02T03:04:05Z`.
pub(crate) fn to_rfc3339(time: Timestamp) -> String {
    let (year, month, day) = civil_from_days(time.0.div_euclid(86_400));
    let rest = time.0.rem_euclid(86_400);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let mut out = String::with_capacity(20);
    // Writing to a String cannot fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_form_that_roots_use() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some((0, false))),
            ("2023-11-14T22:13:20Z", Some((1_700_000_000, false))),
            ("2023-11-14T22:13:20.000Z", Some((1_700_000_000, false))),
            ("2023-11-14T22:13:20.001Z", Some((1_700_000_000, true))),
            ("2023-11-15T00:13:20+02:00", Some((1_700_000_000, false))),
            ("2023-11-14T22:13:20", None),
            ("2023-13-14T22:13:20Z", None),
            ("2023-11-14T22:13:20.Z", None),
            ("", None),
        ] {
            let found = parse_rfc3339(text).map(|(t, f)| (t.0, f));
            assert_eq!(found, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(at in 0_i64..250_000_000_000) {
            let text = to_rfc3339(Timestamp(at));
            prop_assert_eq!(parse_rfc3339(&text), Some((Timestamp(at), false)));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = parse_rfc3339(&text);
        }
    }
}
