//! `semver_compare`: versions and ranges as blang/semver reads them.
use super::{Entry, Outcome, TWO_STRINGS};
use sigward_document::Value;
use sigward_jmespath::{Call, FunctionError};
use std::cmp::Ordering;

pub(super) const FUNCTIONS: &[Entry] = &[("semver_compare", TWO_STRINGS, semver_compare)];

/// `semver_compare('1.2.3', '>=1.0.0 <2.0.0 || 3.x')` → `true`.
///
/// COMPAT: kyverno 1.19: a version that cannot be read is taken for 0.0.0; test: a_version_that_cannot_be_read_is_zero
fn semver_compare(call: &mut Call<'_, '_, '_>) -> Outcome {
    let version = Version::parse(call.string(0)?).unwrap_or_default();
    let range = parse_range(call.string(1)?).map_err(FunctionError::message)?;
    Ok(Value::bool(range.iter().any(|all| all.iter().all(|bound| bound.holds(&version)))))
}

/// One identifier of a pre-release: numbers before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

/// SPEC: Semantic Versioning 2.0.0; build metadata is read and not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Version {
    numbers: [u64; 3],
    pre: Vec<Identifier>,
}

impl Version {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("Version string empty".into());
        }
        let mut parts = text.splitn(3, '.');
        let (Some(major), Some(minor), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("No Major.Minor.Patch elements found".into());
        };
        let (rest, build) =
            rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
        let (patch, pre) =
            rest.split_once('-').map_or((rest, None), |(patch, pre)| (patch, Some(pre)));
        let numbers = [number("Major", major)?, number("Minor", minor)?, number("Patch", patch)?];
        let pre = pre.map_or(Ok(Vec::new()), |pre| pre.split('.').map(identifier).collect())?;
        for part in build.into_iter().flat_map(|build| build.split('.')) {
            if part.is_empty() {
                return Err("Build meta data is empty".into());
            }
            if !is_word(part) {
                return Err(format!("Invalid character(s) found in build meta data {part:?}"));
            }
        }
        Ok(Self { numbers, pre })
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => self.pre.cmp(&other.pre),
            }
        })
    }
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn number(which: &str, text: &str) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!(
            "Invalid character(s) found in {} number {text:?}",
            which.to_ascii_lowercase()
        ));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!("{which} number must not contain leading zeroes {text:?}"));
    }
    text.parse().map_err(|_| format!("strconv.ParseUint: parsing {text:?}: value out of range"))
}

fn identifier(text: &str) -> Result<Identifier, String> {
    if text.is_empty() {
        return Err("Prerelease is empty".into());
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        if text.len() > 1 && text.starts_with('0') {
            return Err(format!(
                "Numeric PreRelease version must not contain leading zeroes {text:?}"
            ));
        }
        let overflow = |_| format!("strconv.ParseUint: parsing {text:?}: value out of range");
        return text.parse().map(Identifier::Number).map_err(overflow);
    }
    if is_word(text) {
        Ok(Identifier::Word(text.to_owned()))
    } else {
        Err(format!("Invalid character(s) found in prerelease {text:?}"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug)]
struct Bound {
    operator: Operator,
    version: Version,
}

impl Bound {
    fn holds(&self, version: &Version) -> bool {
        let order = version.compare(&self.version);
        match self.operator {
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => order.is_ne(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            Operator::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// Alternatives of bounds that hold together.
fn parse_range(text: &str) -> Result<Vec<Vec<Bound>>, String> {
    let parts = split(text);
    if parts.first().is_some_and(|part| part == "||") {
        return Err("First element in range is '||'".into());
    }
    if parts.last().is_none_or(|part| part == "||") {
        return Err("Last element in range is '||'".into());
    }
    parts
        .split(|part| part == "||")
        .map(|all| {
            let mut bounds = Vec::with_capacity(all.len());
            for part in all {
                bounds.extend(parse_part(part)?);
            }
            Ok(bounds)
        })
        .collect()
}

/// Splits at spaces, but not between an operator and its version. What is a single character is dropped, as there.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut last = ' ';
    for c in text.chars() {
        match (c, parts.last_mut()) {
            (' ', _) if matches!(last, '>' | '<' | '=') => {}
            (' ', _) => parts.push(String::new()),
            (c, Some(part)) => {
                part.push(c);
                last = c;
            }
            (_, None) => {}
        }
    }
    parts.retain(|part| part.len() > 1);
    parts
}

/// One part of a range; one with an `x` gives up to two bounds.
fn parse_part(part: &str) -> Result<Vec<Bound>, String> {
    let at = part
        .find(|c: char| c.is_ascii_digit())
        .ok_or_else(|| format!("Could not get version from string: {part:?}"))?;
    let (operator, version) = part.split_at_checked(at).unwrap_or_default();
    let operator = operator.trim();
    if version.rsplit('.').next() == Some("x") {
        return expand(part, operator, version);
    }
    let parsed = match operator {
        "" | "=" | "==" => Operator::Equal,
        "!" | "!=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        _ => {
            return Err(format!(
                "Could not parse Range {part:?}: Could not parse comparator {operator:?} in {part:?}"
            ));
        }
    };
    Ok(vec![bound(part, parsed, version)?])
}

fn bound(part: &str, operator: Operator, version: &str) -> Result<Bound, String> {
    let version = Version::parse(version).map_err(|error| {
        format!("Could not parse Range {part:?}: Could not parse version {version:?} in {part:?}: {error}")
    })?;
    Ok(Bound { operator, version })
}

/// `1.2.x` and `1.x` stand for all versions that start so: the bounds are the first of them and the first after.
///
/// COMPAT: kyverno 1.19: `!=1.2.x` asks for less and for more at once, so that nothing satisfies it, and `1.x.x` is
/// `1.0.x`; test: wildcards_in_ranges_expand_as_the_peers
fn expand(part: &str, operator: &str, version: &str) -> Result<Vec<Bound>, String> {
    let pieces: Vec<&str> = version.split('.').collect();
    let flat: Vec<&str> = pieces
        .iter()
        .map(|piece| if *piece == "x" { "0" } else { piece })
        .chain(["0"])
        .take(3)
        .collect();
    let first = bound(part, Operator::GreaterOrEqual, &flat.join("."))?;
    let mut after = first.clone();
    if let Some(number) = after.version.numbers.get_mut(pieces.len() - 2) {
        *number = number.saturating_add(1);
    }
    after.version.numbers = match (pieces.len(), after.version.numbers) {
        (2, [major, ..]) => [major, 0, 0],
        (_, [major, minor, _]) => [major, minor, 0],
    };
    let with = |operator, bound: &Bound| Bound { operator, version: bound.version.clone() };
    Ok(match operator {
        ">" => vec![with(Operator::GreaterOrEqual, &after)],
        ">=" => vec![first],
        "<" => vec![with(Operator::Less, &first)],
        "<=" => vec![with(Operator::Less, &after)],
        "" | "=" | "==" => vec![with(Operator::Less, &after), first],
        "!" | "!=" => vec![with(Operator::Less, &first), with(Operator::GreaterOrEqual, &after)],
        _ => return Err(format!("Could not get version from string: {part:?}")),
    })
}
