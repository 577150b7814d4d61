//! PEM as Go reads it: text around the blocks is skipped, white space inside them too.
//!
//! SPEC: RFC 7468 section 2. COMPAT: cosign 3.1.1: lax about line lengths; a block that begins and
//! does not end is an error here, because a key that silently vanishes would change a count.
//! test: a_block_that_does_not_end_is_an_error
use super::KeyError;
use crate::encoding::{decode_base64, encode_base64};
use zeroize::Zeroizing;

/// One block.
pub(crate) struct Block {
    pub(crate) label: String,
    /// May be a private key.
    pub(crate) contents: Zeroizing<Vec<u8>>,
}

/// Longest text that is looked at.
pub(super) const MAX_TEXT: usize = 256 * 1024;

/// All blocks, in order; at least one.
pub(crate) fn parse(text: &str) -> Result<Vec<Block>, KeyError> {
    if text.len() > MAX_TEXT {
        return Err(KeyError::TooLarge);
    }
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ") else { continue };
        let broken = |label: &str| KeyError::BrokenPem {
            label: crate::encoding::printable(label).to_string(),
        };
        let label = label.strip_suffix("-----").ok_or_else(|| broken(label))?;
        let end = format!("-----END {label}-----");
        let mut body = Zeroizing::new(String::new());
        let mut closed = false;
        for line in lines.by_ref() {
            if line == end {
                closed = true;
                break;
            }
            if line.starts_with("-----") {
                break;
            }
            if line.contains(':') {
                // A header; only the encryption of old OpenSSL has some.
                return Err(KeyError::ForeignEncryption);
            }
            body.extend(line.chars().filter(|c| !c.is_ascii_whitespace()));
        }
        if !closed || body.is_empty() {
            return Err(broken(label));
        }
        let contents = decode_base64(&body).ok_or_else(|| broken(label))?;
        blocks.push(Block { label: label.to_owned(), contents: Zeroizing::new(contents) });
    }
    if blocks.is_empty() { Err(KeyError::NoPem) } else { Ok(blocks) }
}

/// Writes one block, 64 characters a line.
pub(crate) fn write(label: &str, contents: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(encode_base64(contents));
    let mut out = Zeroizing::new(String::with_capacity(body.len() + body.len() / 64 + 80));
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    for (i, c) in body.chars().enumerate() {
        if i > 0 && i % 64 == 0 {
            out.push('\n');
        }
        out.push(c);
    }
    out.push_str("\n-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}
