//! Points in time as Go reads and writes them.
//!
//! SPEC: Go 1.26 package `time`, "Layout" and `Parse`: a layout shows how the reference time, Mon Jan 2 15:04:05 2006
//! MST, would be written. Its texts of errors are kept, since users see them.

/// The layout of RFC 3339, as Go spells it.
pub(super) const RFC3339: &str = "2006-01-02T15:04:05Z07:00";

const SECOND: i128 = 1_000_000_000;
const DAY: i64 = 86_400;

/// A point in time and the zone it is shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GoTime {
    /// Nanoseconds since the Unix epoch.
    pub(super) nanos: i128,
    /// Seconds east of UTC.
    pub(super) offset: i32,
}

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    /// From 1.
    pub(super) month: i64,
    /// From 1.
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    /// Sunday is 0.
    pub(super) weekday: i64,
}

impl GoTime {
    /// A time in UTC.
    pub(super) fn utc(nanos: i128) -> Self {
        Self { nanos, offset: 0 }
    }

    /// The clock and the calendar of its zone.
    pub(super) fn civil(self) -> Civil {
        let local =
            i64::try_from(self.nanos.div_euclid(SECOND)).unwrap_or(0) + i64::from(self.offset);
        let (days, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = date_of(days);
        Civil {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            // The epoch was a Thursday.
            weekday: (days + 4).rem_euclid(7),
        }
    }

    /// RFC 3339 without fractions.
    pub(super) fn rfc3339(self) -> String {
        let Civil { year, month, day, hour, minute, second, .. } = self.civil();
        let era = if year < 0 { "-" } else { "" };
        let time = format!(
            "{era}{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}",
            year.unsigned_abs()
        );
        if self.offset == 0 {
            return format!("{time}Z");
        }
        let (sign, offset) =
            (if self.offset < 0 { '-' } else { '+' }, self.offset.unsigned_abs() / 60);
        format!("{time}{sign}{:02}:{:02}", offset / 60, offset % 60)
    }

    /// Rounded down to a multiple of a duration since the year 1, as Go counts; unchanged when it is not positive.
    pub(super) fn truncate(self, duration: i64) -> Self {
        /// From 0001-01-01 to 1970-01-01.
        const YEAR_1: i128 = 62_135_596_800 * SECOND;
        if duration <= 0 {
            return self;
        }
        let past = (self.nanos + YEAR_1).rem_euclid(i128::from(duration));
        Self { nanos: self.nanos - past, ..self }
    }

    /// How much later this is than `earlier`, in nanoseconds, as far as Go can count.
    pub(super) fn since(self, earlier: Self) -> i64 {
        let difference = self.nanos - earlier.nanos;
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }
}

/// Days since 1970-01-01 to year, month and day, proleptic Gregorian (Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The inverse of [`date_of`].
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = (month + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Part of a layout that stands for part of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    ShortMonth,
    LongMonth,
    Month {
        fixed: bool,
    },
    ShortWeekday,
    LongWeekday,
    Day {
        fixed: bool,
        spaced: bool,
    },
    YearDay {
        spaced: bool,
    },
    Hour,
    Hour12 {
        fixed: bool,
    },
    Minute {
        fixed: bool,
    },
    Second {
        fixed: bool,
    },
    LongYear,
    ShortYear,
    /// `PM` or `pm`.
    Half {
        upper: bool,
    },
    /// An abbreviation.
    Zone,
    /// `Z` stands for UTC too if `z`; `parts` are hours, minutes, seconds.
    Offset {
        z: bool,
        colon: bool,
        parts: u8,
    },
    /// Exactly so many digits after a point.
    Fraction(usize),
    /// Any digits after a point, or nothing.
    FractionIfAny,
}

/// Spellings of fields, the first that fits wins; those that depend on what follows are in [`next_field`].
const FIELDS: &[(&str, Field)] = &[
    ("January", Field::LongMonth),
    ("Monday", Field::LongWeekday),
    ("MST", Field::Zone),
    ("002", Field::YearDay { spaced: false }),
    ("01", Field::Month { fixed: true }),
    ("02", Field::Day { fixed: true, spaced: false }),
    ("03", Field::Hour12 { fixed: true }),
    ("04", Field::Minute { fixed: true }),
    ("05", Field::Second { fixed: true }),
    ("06", Field::ShortYear),
    ("15", Field::Hour),
    ("1", Field::Month { fixed: false }),
    ("2006", Field::LongYear),
    ("2", Field::Day { fixed: false, spaced: false }),
    ("__2", Field::YearDay { spaced: true }),
    ("_2", Field::Day { fixed: false, spaced: true }),
    ("3", Field::Hour12 { fixed: false }),
    ("4", Field::Minute { fixed: false }),
    ("5", Field::Second { fixed: false }),
    ("PM", Field::Half { upper: true }),
    ("pm", Field::Half { upper: false }),
    ("-070000", Field::Offset { z: false, colon: false, parts: 3 }),
    ("-07:00:00", Field::Offset { z: false, colon: true, parts: 3 }),
    ("-0700", Field::Offset { z: false, colon: false, parts: 2 }),
    ("-07:00", Field::Offset { z: false, colon: true, parts: 2 }),
    ("-07", Field::Offset { z: false, colon: false, parts: 1 }),
    ("Z070000", Field::Offset { z: true, colon: false, parts: 3 }),
    ("Z07:00:00", Field::Offset { z: true, colon: true, parts: 3 }),
    ("Z0700", Field::Offset { z: true, colon: false, parts: 2 }),
    ("Z07:00", Field::Offset { z: true, colon: true, parts: 2 }),
    ("Z07", Field::Offset { z: true, colon: false, parts: 1 }),
];

/// Splits a layout at its first field: the text before, the field with its spelling, the rest.
fn next_field(layout: &str) -> (&str, Option<(Field, &str)>, &str) {
    for (at, _) in layout.char_indices() {
        let rest = layout.get(at..).unwrap_or_default();
        // An underscore before a year belongs to the text.
        if rest.starts_with("_2006") {
            continue;
        }
        if let Some((field, length)) = field_at(rest) {
            let (spelling, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
            return (layout.get(..at).unwrap_or_default(), Some((field, spelling)), after);
        }
    }
    (layout, None, "")
}

fn field_at(rest: &str) -> Option<(Field, usize)> {
    if let Some((spelling, field)) = FIELDS.iter().find(|(spelling, _)| rest.starts_with(spelling))
    {
        return Some((*field, spelling.len()));
    }
    // An abbreviation that goes on in lower case is a word.
    let word =
        rest.get(3..).is_some_and(|after| after.starts_with(|c: char| c.is_ascii_lowercase()));
    if rest.starts_with("Jan") && !word {
        return Some((Field::ShortMonth, 3));
    }
    if rest.starts_with("Mon") && !word {
        return Some((Field::ShortWeekday, 3));
    }
    let digits = rest.strip_prefix(['.', ','])?;
    let digit = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let after = digits.trim_start_matches(digit);
    let count = digits.len() - after.len();
    if after.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((if digit == '0' { Field::Fraction(count) } else { Field::FractionIfAny }, count + 1))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// What a value could not be read as.
enum Wrong {
    /// It does not look like the field.
    Shape,
    /// It looks like it, and is out of range.
    Range(&'static str),
}

/// What has been read of a time.
#[derive(Default)]
struct Reading {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i64,
    half: Option<bool>,
    offset: Option<i32>,
    /// Seconds that an abbreviation names; only `GMT+3` names any.
    named_offset: Option<i32>,
}

/// Reads a time as a layout shows it.
pub(super) fn parse(layout: &str, text: &str) -> Result<GoTime, String> {
    let mut reading = Reading::default();
    let (mut rest_of_layout, mut value) = (layout, text);
    loop {
        let (prefix, field, after) = next_field(rest_of_layout);
        let cannot = |value: &str, element: &str| {
            format!("parsing time {text:?} as {layout:?}: cannot parse {value:?} as {element:?}")
        };
        value = skip(value, prefix).map_err(|value| cannot(value, prefix))?;
        let Some((field, spelling)) = field else { break };
        value = reading.field(field, value, after).map_err(|wrong| match wrong {
            Wrong::Shape => cannot(value, spelling),
            Wrong::Range(what) => format!("parsing time {text:?}: {what} out of range"),
        })?;
        rest_of_layout = after;
    }
    if !value.is_empty() {
        return Err(format!("parsing time {text:?}: extra text: {value:?}"));
    }
    reading.finish().map_err(|message| format!("parsing time {text:?}: {message}"))
}

/// The value after a literal text. A run of spaces fits any run of spaces, and the end.
fn skip<'v>(mut value: &'v str, mut prefix: &str) -> Result<&'v str, &'v str> {
    while let Some(wanted) = prefix.chars().next() {
        if wanted == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return Err(value);
            }
            prefix = prefix.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
            continue;
        }
        value = value.strip_prefix(wanted).ok_or(value)?;
        prefix = prefix.get(wanted.len_utf8()..).unwrap_or_default();
    }
    Ok(value)
}

/// One or two digits; exactly two if `fixed`.
fn number(value: &str, fixed: bool) -> Result<(i64, &str), Wrong> {
    let length = value.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if length == 0 || (fixed && length == 1) {
        return Err(Wrong::Shape);
    }
    digits(value, length)
}

/// Exactly so many digits.
fn digits(value: &str, length: usize) -> Result<(i64, &str), Wrong> {
    let (digits, rest) = value.split_at_checked(length).ok_or(Wrong::Shape)?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Wrong::Shape);
    }
    Ok((digits.parse().map_err(|_| Wrong::Shape)?, rest))
}

/// The index of the name that the value starts with, whatever its case.
fn name<'v>(names: &[&str], short: bool, value: &'v str) -> Result<(i64, &'v str), Wrong> {
    for (index, name) in (0..).zip(names) {
        let name = if short { name.get(..3).unwrap_or(name) } else { name };
        if let Some((start, rest)) = value.split_at_checked(name.len())
            && start.eq_ignore_ascii_case(name)
        {
            return Ok((index, rest));
        }
    }
    Err(Wrong::Shape)
}

/// A point or comma and digits: nanoseconds. Digits beyond the ninth are cut off.
fn fraction(value: &str, count: usize) -> Result<(i64, &str), Wrong> {
    let after = value.strip_prefix(['.', ',']).ok_or(Wrong::Shape)?;
    let (all, rest) = after.split_at_checked(count).ok_or(Wrong::Shape)?;
    if all.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Wrong::Shape);
    }
    let nanos = all
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(9)
        .fold(0, |n, b| n * 10 + i64::from(b - b'0'));
    Ok((nanos, rest))
}

fn within(number: i64, end: i64, what: &'static str) -> Result<i64, Wrong> {
    if number < end { Ok(number) } else { Err(Wrong::Range(what)) }
}

impl Reading {
    /// Reads one field from the start of a value; `after` is the layout behind it.
    fn field<'v>(&mut self, field: Field, value: &'v str, after: &str) -> Result<&'v str, Wrong> {
        let rest;
        match field {
            Field::ShortYear => {
                let year;
                (year, rest) = digits(value, 2)?;
                self.year = if year >= 69 { year + 1900 } else { year + 2000 };
            }
            Field::LongYear => (self.year, rest) = digits(value, 4)?,
            Field::ShortMonth | Field::LongMonth => {
                let month;
                (month, rest) = name(&MONTHS, field == Field::ShortMonth, value)?;
                self.month = Some(month + 1);
            }
            Field::Month { fixed } => {
                let month;
                (month, rest) = number(value, fixed)?;
                if !(1..=12).contains(&month) {
                    return Err(Wrong::Range("month"));
                }
                self.month = Some(month);
            }
            // A weekday is read and not compared with the date.
            Field::ShortWeekday | Field::LongWeekday => {
                (_, rest) = name(&WEEKDAYS, field == Field::ShortWeekday, value)?;
            }
            Field::Day { fixed, spaced } => {
                let value = if spaced { value.strip_prefix(' ').unwrap_or(value) } else { value };
                let day;
                (day, rest) = number(value, fixed)?;
                self.day = Some(day);
            }
            Field::YearDay { spaced } => {
                let mut value = value;
                for _ in 0..2 {
                    value = if spaced { value.strip_prefix(' ').unwrap_or(value) } else { value };
                }
                let length = value.bytes().take(3).take_while(u8::is_ascii_digit).count();
                if !spaced && length != 3 {
                    return Err(Wrong::Shape);
                }
                let day;
                (day, rest) = digits(value, length)?;
                self.year_day = Some(day);
            }
            Field::Hour => {
                let hour;
                (hour, rest) = number(value, false)?;
                self.hour = within(hour, 24, "hour")?;
            }
            Field::Hour12 { fixed } => {
                let hour;
                (hour, rest) = number(value, fixed)?;
                self.hour = within(hour, 13, "hour")?;
            }
            Field::Minute { fixed } => {
                let minute;
                (minute, rest) = number(value, fixed)?;
                self.minute = within(minute, 60, "minute")?;
            }
            Field::Second { fixed } => {
                let (second, behind) = number(value, fixed)?;
                self.second = within(second, 60, "second")?;
                // A fraction may stand behind the seconds even where the layout has none.
                let count = behind
                    .strip_prefix(['.', ','])
                    .map_or(0, |d| d.bytes().take_while(u8::is_ascii_digit).count());
                let announced = matches!(
                    next_field(after).1,
                    Some((Field::Fraction(_) | Field::FractionIfAny, _))
                );
                if count == 0 || announced {
                    return Ok(behind);
                }
                (self.nanos, rest) = fraction(behind, count)?;
            }
            Field::Half { upper } => {
                let (am, pm) = if upper { ("AM", "PM") } else { ("am", "pm") };
                let (half, behind) = value.split_at_checked(2).ok_or(Wrong::Shape)?;
                self.half = Some(if half == pm {
                    true
                } else if half == am {
                    false
                } else {
                    return Err(Wrong::Shape);
                });
                rest = behind;
            }
            Field::Fraction(count) => (self.nanos, rest) = fraction(value, count)?,
            Field::FractionIfAny => {
                let count = value
                    .strip_prefix(['.', ','])
                    .map_or(0, |d| d.bytes().take_while(u8::is_ascii_digit).count());
                if count == 0 {
                    return Ok(value);
                }
                (self.nanos, rest) = fraction(value, count)?;
            }
            Field::Offset { z: true, .. } if value.starts_with('Z') => {
                self.offset = Some(0);
                rest = value.get(1..).unwrap_or_default();
            }
            Field::Offset { colon, parts, .. } => rest = self.offset(value, colon, parts)?,
            Field::Zone => {
                if let Some(behind) = value.strip_prefix("UTC") {
                    self.offset = Some(0);
                    return Ok(behind);
                }
                let length = zone_length(value).ok_or(Wrong::Shape)?;
                let (zone, behind) = value.split_at_checked(length).ok_or(Wrong::Shape)?;
                let hours =
                    zone.strip_prefix("GMT").and_then(|n| n.parse::<i32>().ok()).unwrap_or(0);
                self.named_offset = Some(hours * 3600);
                rest = behind;
            }
        }
        Ok(rest)
    }

    fn offset<'v>(&mut self, value: &'v str, colon: bool, parts: u8) -> Result<&'v str, Wrong> {
        let sign = match value.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(Wrong::Shape),
        };
        let mut rest = value.get(1..).unwrap_or_default();
        let mut seconds = 0;
        let names = [
            (3600, 25, "time zone offset hour"),
            (60, 61, "time zone offset minute"),
            (1, 61, "time zone offset second"),
        ];
        for (index, (unit, end, what)) in names.into_iter().take(usize::from(parts)).enumerate() {
            if colon && index > 0 {
                rest = rest.strip_prefix(':').ok_or(Wrong::Shape)?;
            }
            let part;
            (part, rest) = digits(rest, 2)?;
            seconds += within(part, end, what)? * unit;
        }
        self.offset = i32::try_from(sign * seconds).ok();
        Ok(rest)
    }

    fn finish(mut self) -> Result<GoTime, String> {
        match self.half {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        if let Some(year_day) = self.year_day {
            let days = if leap(self.year) { 366 } else { 365 };
            if !(1..=days).contains(&year_day) {
                return Err("day-of-year out of range".into());
            }
            let (_, month, day) = date_of(days_of(self.year, 1, 1) + year_day - 1);
            if self.month.is_some_and(|m| m != month) {
                return Err("day-of-year does not match month".into());
            }
            if self.day.is_some_and(|d| d != day) {
                return Err("day-of-year does not match day".into());
            }
            (self.month, self.day) = (Some(month), Some(day));
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if day < 1 || day > days_in(month, self.year) {
            return Err("day out of range".into());
        }
        let clock = self.hour * 3600 + self.minute * 60 + self.second;
        let seconds =
            days_of(self.year, month, day) * DAY + clock - i64::from(self.offset.unwrap_or(0));
        // A zone that is only named shows an offset and does not shift the time, as in Go.
        let offset = self.offset.or(self.named_offset).unwrap_or(0);
        Ok(GoTime { nanos: i128::from(seconds) * SECOND + i128::from(self.nanos), offset })
    }
}

/// How long the abbreviation of a zone is that a value starts with.
fn zone_length(value: &str) -> Option<usize> {
    if value.starts_with("ChST") || value.starts_with("MeST") {
        return Some(4);
    }
    if let Some(offset) = value.strip_prefix("GMT") {
        return Some(3 + signed_length(offset));
    }
    if value.starts_with(['+', '-']) {
        return Some(signed_length(value)).filter(|length| *length > 0);
    }
    let length = value.bytes().take(6).take_while(u8::is_ascii_uppercase).count();
    let ends_in_t = value.as_bytes().get(length.saturating_sub(1)) == Some(&b'T');
    match length {
        3 => Some(3),
        4 if ends_in_t || value.starts_with("WITA") => Some(4),
        5 if ends_in_t => Some(5),
        _ => None,
    }
}

/// The length of a signed number of hours up to 23, 0 when there is none.
fn signed_length(value: &str) -> usize {
    let Some(number) = value.strip_prefix(['+', '-']) else { return 0 };
    let length = number.bytes().take_while(u8::is_ascii_digit).count();
    let hours: Option<u32> = number.get(..length).and_then(|n| n.parse().ok());
    if hours.is_some_and(|hours| hours <= 23) { length + 1 } else { 0 }
}
