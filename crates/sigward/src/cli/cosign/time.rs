//! The time that is written into what is signed: the clock's, or the one of a reproducible build.
use super::{Failure, evidence::now};
use std::env::VarError;

/// Seconds since 1970 that stand for the present, so that the same input gives the same output.
///
/// SPEC: reproducible-builds.org "SOURCE_DATE_EPOCH".
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";

/// The present in RFC 3339, UTC, whole seconds; `SOURCE_DATE_EPOCH` when that is set.
///
/// # Errors
/// The variable is set, and is not a time that RFC 3339 can write.
pub(super) fn stamp() -> Result<String, Failure> {
    let seconds = match std::env::var(SOURCE_DATE_EPOCH) {
        Err(VarError::NotPresent) => return Ok(rfc3339(now().0).unwrap_or_default()),
        Ok(text) if text.is_empty() => return Ok(rfc3339(now().0).unwrap_or_default()),
        Ok(text) => text.trim().parse::<i64>().ok(),
        Err(VarError::NotUnicode(_)) => None,
    };
    seconds.and_then(rfc3339).ok_or_else(|| {
        Failure::new(format!("{SOURCE_DATE_EPOCH} is not a number of seconds since 1970"))
    })
}

/// SPEC: RFC 3339 section 5.6; the calendar is the proleptic Gregorian one. `None` outside the years 0 to 9999.
pub(super) fn rfc3339(seconds: i64) -> Option<String> {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years are counted from March, so that the day that comes and goes is the last one of the year.
    let days = days.checked_add(719_468)?;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (0..=9999).contains(&year).then(|| {
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: i64, expected: Option<&str>) {
        assert_eq!(rfc3339(seconds).as_deref(), expected, "{seconds}");
    }

    #[test]
    fn writes_the_calendar_of_rfc_3339() {
        check(0, Some("1970-01-01T00:00:00Z"));
        check(-1, Some("1969-12-31T23:59:59Z"));
        check(951_782_400, Some("2000-02-29T00:00:00Z"));
        check(1_709_251_199, Some("2024-02-29T23:59:59Z"));
        check(1_709_251_200, Some("2024-03-01T00:00:00Z"));
        check(4_107_542_399, Some("2100-02-28T23:59:59Z"));
        check(4_107_542_400, Some("2100-03-01T00:00:00Z"));
        check(253_402_300_799, Some("9999-12-31T23:59:59Z"));
        check(253_402_300_800, None);
        check(i64::MAX, None);
        check(i64::MIN, None);
    }
}
