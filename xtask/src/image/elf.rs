//! As much of an ELF file as tells whether it is static and for which machine.
//!
//! SPEC: System V ABI, "ELF Header" and "Program Header"; 64 bits, little endian.

/// What a program says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elf {
    /// In the words of images: `amd64`, `arm64`.
    pub(super) architecture: &'static str,
    /// The loader that it wants; a static program wants none.
    pub(super) interpreter: Option<String>,
}

/// The program header that names a loader.
const PT_INTERP: u32 = 3;

/// Reads a program; `None` when it is not an ELF file of a known machine.
pub(super) fn read(program: &[u8]) -> Option<Elf> {
    if program.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let architecture = match half(program, 18)? {
        62 => "amd64",
        183 => "arm64",
        _ => return None,
    };
    let start = usize::try_from(long(program, 32)?).ok()?;
    let (size, count) = (usize::from(half(program, 54)?), usize::from(half(program, 56)?));
    let mut interpreter = None;
    for index in 0..count {
        let header = start.checked_add(index.checked_mul(size)?)?;
        if word(program, header)? == PT_INTERP {
            let at = usize::try_from(long(program, header.checked_add(8)?)?).ok()?;
            let length = usize::try_from(long(program, header.checked_add(32)?)?).ok()?;
            let name = program.get(at..at.checked_add(length)?)?;
            let name = name.strip_suffix(b"\0").unwrap_or(name);
            interpreter = Some(String::from_utf8_lossy(name).into_owned());
        }
    }
    Some(Elf { architecture, interpreter })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|part| u16::from_le_bytes(*part))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|part| u32::from_le_bytes(*part))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|part| u64::from_le_bytes(*part))
}
