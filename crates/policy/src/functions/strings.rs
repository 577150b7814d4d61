//! Functions over strings.
use super::{Entry, NUMBER, ONE_STRING, Outcome, STRING, THREE_STRINGS, TWO_STRINGS};
use sigward_document::Value;
use sigward_jmespath::{Call, FunctionError, Signature};

pub(super) const FUNCTIONS: &[Entry] = &[
    ("compare", TWO_STRINGS, compare),
    ("equal_fold", TWO_STRINGS, equal_fold),
    ("path_canonicalize", ONE_STRING, path_canonicalize),
    ("replace", Signature::fixed(&[STRING, STRING, STRING, NUMBER]), replace),
    ("replace_all", THREE_STRINGS, replace_all),
    ("split", TWO_STRINGS, split),
    ("to_boolean", ONE_STRING, to_boolean),
    ("to_lower", ONE_STRING, to_lower),
    ("to_upper", ONE_STRING, to_upper),
    ("trim", TWO_STRINGS, trim),
    ("trim_prefix", TWO_STRINGS, trim_prefix),
    ("truncate", Signature::fixed(&[STRING, NUMBER]), truncate),
];

/// `compare('a', 'b')` → `-1`: by bytes.
///
/// COMPAT: kyverno 1.19: there the result equals no literal and orders with nothing, being a Go int and not a
/// float64; test: the_result_of_compare_is_a_number
fn compare(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(Value::int(call.string(0)?.cmp(call.string(1)?) as i64))
}

/// `equal_fold('Go', 'GO')` → `true`: by simple case folding, character by character.
fn equal_fold(call: &mut Call<'_, '_, '_>) -> Outcome {
    let (mut a, mut b) = (call.string(0)?.chars(), call.string(1)?.chars());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ok(Value::bool(true)),
            (Some(a), Some(b)) if a == b || upper(a) == upper(b) || lower(a) == lower(b) => {}
            _ => return Ok(Value::bool(false)),
        }
    }
}

/// The simple upper case of a character, as Go maps runes: one for one, so that `ß` stays.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// The simple lower case of a character: `İ` becomes `i`, without the combining dot.
fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// `to_upper('abc')` → `"ABC"`
fn to_upper(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(Value::string(&call.string(0)?.chars().map(upper).collect::<String>()))
}

/// `to_lower('ABC')` → `"abc"`
fn to_lower(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(Value::string(&call.string(0)?.chars().map(lower).collect::<String>()))
}

/// ``replace('banana', 'a', 'o', `2`)`` → `"bonona"`; a negative count means all.
fn replace(call: &mut Call<'_, '_, '_>) -> Outcome {
    #[expect(clippy::cast_possible_truncation, reason = "Go's conversion, saturating at the ends")]
    let count = call.number(3)? as i64;
    replace_up_to(call, usize::try_from(count).unwrap_or(usize::MAX))
}

/// `replace_all('banana', 'a', 'o')` → `"bonono"`
fn replace_all(call: &mut Call<'_, '_, '_>) -> Outcome {
    replace_up_to(call, usize::MAX)
}

fn replace_up_to(call: &mut Call<'_, '_, '_>, count: usize) -> Outcome {
    let (text, old, new) = (call.string(0)?, call.string(1)?, call.string(2)?);
    let found = text.matches(old).count().min(count);
    call.steps(text.len())?;
    call.charge(text.len().saturating_add(found.saturating_mul(new.len())))?;
    Ok(Value::string(&text.replacen(old, new, found)))
}

/// `split('a,b', ',')` → `["a", "b"]`; an empty separator gives the characters.
fn split(call: &mut Call<'_, '_, '_>) -> Outcome {
    let (text, separator) = (call.string(0)?, call.string(1)?);
    call.charge(text.len().saturating_mul(size_of::<Value>()))?;
    if separator.is_empty() {
        return Ok(Value::list(text.chars().map(|c| Value::string(c.encode_utf8(&mut [0; 4])))));
    }
    Ok(Value::list(text.split(separator).map(Value::string)))
}

/// `trim('  a ', ' ')` → `"a"`: removes the characters of the second text from both ends.
fn trim(call: &mut Call<'_, '_, '_>) -> Outcome {
    let cutset = call.string(1)?;
    call.steps(call.string(0)?.len().saturating_mul(cutset.len()))?;
    Ok(Value::string(call.string(0)?.trim_matches(|c| cutset.contains(c))))
}

/// `trim_prefix('v1.2', 'v')` → `"1.2"`
fn trim_prefix(call: &mut Call<'_, '_, '_>) -> Outcome {
    let text = call.string(0)?;
    Ok(Value::string(text.strip_prefix(call.string(1)?).unwrap_or(text)))
}

/// ``truncate('abcdef', `3`)`` → `"abc"`: characters; a fraction is cut off, less than one gives nothing.
fn truncate(call: &mut Call<'_, '_, '_>) -> Outcome {
    let text = call.string(0)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "Go's conversion, saturating"
    )]
    let length = call.number(1)?.max(0.0) as usize;
    let end = text.char_indices().nth(length).map_or(text.len(), |(at, _)| at);
    Ok(Value::string(text.get(..end).unwrap_or(text)))
}

/// `to_boolean('True')` → `true`
fn to_boolean(call: &mut Call<'_, '_, '_>) -> Outcome {
    let text = call.string(0)?;
    match text.to_lowercase().as_str() {
        "true" => Ok(Value::bool(true)),
        "false" => Ok(Value::bool(false)),
        _ => Err(FunctionError::prefixed(format!(
            "lowercase argument must be 'true' or 'false' (provided: '{text}')"
        ))),
    }
}

/// `path_canonicalize('/a//b/../c/')` → `"/a/c"`: Go's `filepath.Join` of one element.
fn path_canonicalize(call: &mut Call<'_, '_, '_>) -> Outcome {
    let path = call.string(0)?;
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    Ok(Value::string(&match (rooted, path.is_empty(), joined.is_empty()) {
        (true, _, _) => format!("/{joined}"),
        (false, false, true) => ".".to_owned(),
        (false, _, _) => joined,
    }))
}
