//! Functions between texts and what they encode, and digests of texts.
use super::md5::md5;
use super::{Entry, ONE_STRING, Outcome};
use aws_lc_rs::digest;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _, alphabet};
use sigward_document::yaml::{Duplicates, YamlOptions, parse_yaml_stream_with};
use sigward_document::{Value, parse_json};
use sigward_jmespath::{Call, FunctionError};
use std::fmt::Write as _;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("base64_decode", ONE_STRING, base64_decode),
    ("base64_encode", ONE_STRING, base64_encode),
    ("md5", ONE_STRING, md5_of),
    ("parse_json", ONE_STRING, json),
    ("parse_yaml", ONE_STRING, yaml),
    ("sha1", ONE_STRING, sha1),
    ("sha256", ONE_STRING, sha256),
];

/// Go's standard encoding: padding demanded, stray bits after the last byte let go.
const DECODER: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// `base64_decode('YQ==')` → `"a"`. Line breaks in the text are skipped.
///
/// COMPAT: kyverno 1.19: a Go string holds any bytes, a JSON string does not: what is not UTF-8 becomes U+FFFD
/// here at once, and there when it is printed; test: base64_of_binary_data_is_replaced_not_refused
fn base64_decode(call: &mut Call<'_, '_, '_>) -> Outcome {
    let text: String = call.string(0)?.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = DECODER.decode(text.as_bytes()).map_err(|error| {
        let stray = text
            .bytes()
            .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')));
        let offset = stray.unwrap_or_else(|| match error {
            DecodeError::InvalidByte(offset, _) | DecodeError::InvalidLastSymbol(offset, _) => {
                offset
            }
            // Go points at the start of the last group of four.
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => {
                text.len().saturating_sub(1) / 4 * 4
            }
        });
        FunctionError::message(format!("illegal base64 data at input byte {offset}"))
    })?;
    Ok(Value::string(&String::from_utf8_lossy(&bytes)))
}

/// `base64_encode('a')` → `"YQ=="`
fn base64_encode(call: &mut Call<'_, '_, '_>) -> Outcome {
    Ok(Value::string(&STANDARD.encode(call.string(0)?)))
}

/// `parse_json('{"a": 1}')` → `{"a": 1}`
fn json(call: &mut Call<'_, '_, '_>) -> Outcome {
    let text = call.string(0)?;
    call.charge(text.len())?;
    parse_json(text.as_bytes()).map_err(|error| FunctionError::message(error.message))
}

/// `parse_yaml('a: 1')` → `{"a": 1}`: the first document of the text. Of equal keys the last wins.
fn yaml(call: &mut Call<'_, '_, '_>) -> Outcome {
    let text = call.string(0)?;
    call.charge(text.len())?;
    let options = YamlOptions { duplicates: Duplicates::LastWins, ..YamlOptions::default() };
    let Some(first) = parse_yaml_stream_with(text, options).into_iter().next() else {
        return Ok(Value::NULL);
    };
    let value =
        first.map_err(|error| FunctionError::message(format!("yaml: {}", error.message)))?.value;
    // Aliases repeat what they name.
    call.weigh(&value)?;
    Ok(value)
}

/// `sha256('a')` → `"ca978112…"`
fn sha256(call: &mut Call<'_, '_, '_>) -> Outcome {
    let text = call.string(0)?;
    call.steps(text.len())?;
    Ok(hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()))
}

/// `sha1('a')` → `"86f7e437…"`
fn sha1(call: &mut Call<'_, '_, '_>) -> Outcome {
    let text = call.string(0)?;
    call.steps(text.len())?;
    Ok(hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref()))
}

/// `md5('a')` → `"0cc175b9…"`
fn md5_of(call: &mut Call<'_, '_, '_>) -> Outcome {
    let text = call.string(0)?;
    call.steps(text.len())?;
    Ok(hex(&md5(text.as_bytes())))
}

fn hex(bytes: &[u8]) -> Value {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Value::string(&text)
}
