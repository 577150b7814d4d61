//! Base64 as Go reads it, hexadecimal, and SHA-2.
use aws_lc_rs::digest;
use base64::{
    Engine as _,
    alphabet::STANDARD as ALPHABET,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use std::fmt::Write as _;

/// Go's `StdEncoding` wants padding and ignores the bits that are left over.
const GO: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// Reads standard base64 as Go does: CR and LF are skipped wherever they stand.
///
/// COMPAT: cosign 3.1.1: annotations and files with line breaks are read.
/// test: base64_is_read_as_go_reads_it
pub(crate) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|b| matches!(b, b'\r' | b'\n')) {
        let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        return GO.decode(text).ok();
    }
    GO.decode(text).ok()
}

/// Reads base64 of either alphabet with or without padding.
///
/// SPEC: protobuf JSON mapping: "Either standard or URL-safe base64 encoding with/without paddings
/// are accepted."
pub(crate) fn decode_base64_protobuf(text: &str) -> Option<Vec<u8>> {
    let plain: String = text
        .chars()
        .filter(|c| !matches!(c, '\r' | '\n'))
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    let engine = GeneralPurpose::new(
        &ALPHABET,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    engine.decode(plain).ok()
}

/// Standard base64 with padding.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes that hexadecimal digits spell.
pub(crate) fn unhex_bytes(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(byte).collect()
}

/// The 32 bytes that 64 hexadecimal digits spell.
pub(crate) fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// SHA-512.
pub(crate) fn sha512(bytes: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    out.copy_from_slice(digest::digest(&digest::SHA512, bytes).as_ref());
    out
}

/// Reads a JSON object; serde alone would read a list as one, field by field.
pub(crate) fn parse_object<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(bytes).ok()
}

/// SPEC: protobuf JSON mapping: null is the default value of any field.
pub(crate) fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    use serde::Deserialize as _;
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A value of an enumeration in protobuf's JSON mapping: its name, or its number.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub(crate) enum EnumValue {
    Name(String),
    Number(u32),
}

impl EnumValue {
    /// The name, or the number in decimal.
    pub(crate) fn into_name(self) -> String {
        match self {
            Self::Name(name) => name,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// A JSON string as Go's `encoding/json` writes it, quotes included: `<`, `>`, `&` and the two
/// line separators of JavaScript are escaped.
pub(crate) fn go_json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Most characters of a foreign text in a message.
const MAX_PRINTABLE: usize = 200;
/// Most bytes of one, quoted or not: a character takes up to four, and up to ten where quoting escapes it.
const MAX_PRINTABLE_BYTES: usize = 400;

/// A text of foreign origin, fit for a message: bounded, without control characters.
pub(crate) fn printable(text: &str) -> smol_str::SmolStr {
    let mut bytes = 0;
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(MAX_PRINTABLE)
        .take_while(|c| {
            bytes += c.len_utf8().max(c.escape_debug().len());
            bytes <= MAX_PRINTABLE_BYTES
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_text_is_bounded_in_bytes_however_it_is_quoted() {
        for c in ['a', '"', '\n', '\u{7f}', '\u{ad}', 'é', '\u{e000}', '\u{10ffff}'] {
            let long = printable(&c.to_string().repeat(1000));
            assert!(!long.is_empty() && long.chars().count() <= MAX_PRINTABLE, "{c:?}");
            assert!(long.len() <= MAX_PRINTABLE_BYTES, "{c:?}: {}", long.len());
            let quoted = format!("{long:?}").len();
            assert!(quoted <= MAX_PRINTABLE_BYTES + 2, "{c:?}: {quoted}");
        }
        assert_eq!(printable(&"a".repeat(1000)), "a".repeat(MAX_PRINTABLE));
    }

    #[test]
    fn base64_is_read_as_go_reads_it() {
        for (text, expected) in [
            ("aGVsbG8=", Some("hello")),
            ("aGVs\r\nbG8=\n", Some("hello")),
            ("aGVsbG9=", Some("hello")), // bits left over
            ("aGVsbG8", None),           // no padding
            ("aGVs bG8=", None),
            ("aGVsbG8=x", None),
        ] {
            assert_eq!(decode_base64(text).as_deref(), expected.map(str::as_bytes), "{text:?}");
        }
    }

    #[test]
    fn protobuf_base64_takes_both_alphabets_and_no_padding() {
        for text in ["+/8=", "-_8=", "-_8", "+/8"] {
            assert_eq!(decode_base64_protobuf(text), Some(vec![0xfb, 0xff]), "{text}");
        }
        assert_eq!(decode_base64_protobuf("!"), None);
    }
}
