//! A tar archive whose bytes depend on nothing but its content, and a gzip stream around it.
//!
//! SPEC: POSIX.1-2017 `pax`, "ustar Interchange Format".

use std::io::Write as _;

use anyhow::{Context, Result, ensure};
use flate2::{Compression, GzBuilder};

/// Blocks of an archive, in bytes.
const BLOCK: usize = 512;

/// An archive that grows.
#[derive(Debug, Default)]
pub(super) struct Archive(Vec<u8>);

/// What an entry is.
struct Entry<'a> {
    kind: u8,
    mode: u32,
    owner: u32,
    target: &'a str,
    content: &'a [u8],
}

impl Archive {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A folder; those above it come first.
    pub(super) fn folder(&mut self, name: &str, mode: u32, owner: u32) -> Result<()> {
        self.add(&format!("{name}/"), &Entry { kind: b'5', mode, owner, target: "", content: b"" })
    }

    /// A file that belongs to root.
    pub(super) fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.add(name, &Entry { kind: b'0', mode, owner: 0, target: "", content })
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, name: &str, target: &str) -> Result<()> {
        self.add(name, &Entry { kind: b'2', mode: 0o777, owner: 0, target, content: b"" })
    }

    fn add(&mut self, name: &str, entry: &Entry<'_>) -> Result<()> {
        ensure!(name.len() <= 100 && entry.target.len() <= 100, "{name}: the name is too long");
        ensure!(entry.content.len() < 1 << 33, "{name}: too large for this form of archive");
        let mut header = Vec::with_capacity(BLOCK);
        let mut field = |text: &str, width: usize| {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(width, 0);
            header.extend_from_slice(&bytes);
        };
        let kind = char::from(entry.kind).to_string();
        field(name, 100);
        field(&format!("{:07o}", entry.mode), 8);
        field(&format!("{:07o}", entry.owner), 8);
        field(&format!("{:07o}", entry.owner), 8);
        field(&format!("{:011o}", entry.content.len()), 12);
        field("00000000000", 12);
        // The checksum counts itself as spaces.
        field("        ", 8);
        field(&kind, 1);
        field(entry.target, 100);
        field("ustar", 6);
        field("00", 2);
        // Names of owners would be looked up where it is unpacked: numbers say enough.
        field("", 32 + 32 + 8 + 8 + 155 + 12);
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header.splice(148..156, format!("{sum:06o}\0 ").bytes());
        self.0.extend_from_slice(&header);
        self.0.extend_from_slice(entry.content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        Ok(())
    }

    /// The archive with its end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 2 * BLOCK, 0);
        self.0
    }
}

/// A gzip stream without a time, a name and a system.
pub(super) fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut stream =
        GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::new(6));
    stream.write_all(content)?;
    stream.finish().context("the layer cannot be compressed")
}
