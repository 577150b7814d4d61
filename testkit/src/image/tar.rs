//! A tar archive with one file and a gzip stream around it, made without a compressor so that the bytes never change.

/// A tar archive that holds one file, owned by root, from 1970.
// SPEC: POSIX.1-2017 `pax`, "ustar Interchange Format".
pub(super) fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Vec::with_capacity(512);
    let mut field = |text: &str, width: usize| {
        let mut bytes: Vec<u8> = text.bytes().take(width).collect();
        bytes.resize(width, 0);
        header.extend_from_slice(&bytes);
    };
    field(name, 100);
    field("0000644", 8);
    field("0000000", 8);
    field("0000000", 8);
    field(&format!("{:011o}", content.len()), 12);
    field("00000000000", 12);
    // The checksum counts itself as spaces.
    field("        ", 8);
    field("0", 1);
    field("", 100);
    field("ustar", 6);
    field("00", 2);
    field("root", 32);
    field("root", 32);
    field("0000000", 8);
    field("0000000", 8);
    field("", 155 + 12);
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    header.splice(148..156, sum.bytes());
    let mut archive = header;
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

/// A gzip stream of stored blocks.
// SPEC: RFC 1952 section 2.3, RFC 1951 section 3.2.4.
pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    // Magic, deflate, no flags, no time, no extra flags, unknown system.
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = content.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(&(!length).to_le_bytes());
        stream.extend_from_slice(block);
    }
    if content.is_empty() {
        stream.extend_from_slice(&[1, 0, 0, 255, 255]);
    }
    stream.extend_from_slice(&crc32(content).to_le_bytes());
    // The size counts modulo 2^32.
    let size = u32::try_from(content.len() as u64 & u64::from(u32::MAX)).unwrap_or_default();
    stream.extend_from_slice(&size.to_le_bytes());
    stream
}

// SPEC: RFC 1952 section 8, bit by bit: images here are a few hundred bytes.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for &byte in bytes {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_crc32_is_the_published_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn an_archive_is_whole_blocks_with_a_checksum_that_fits() {
        let archive = archive("a.txt", b"hello");
        assert_eq!(archive.len() % 512, 0);
        assert_eq!(&archive[512..517], b"hello");
        let stored =
            u32::from_str_radix(std::str::from_utf8(&archive[148..154]).unwrap(), 8).unwrap();
        let mut header = archive[..512].to_vec();
        header[148..156].fill(b' ');
        assert_eq!(stored, header.iter().map(|&byte| u32::from(byte)).sum::<u32>());
        assert_eq!(&archive[257..265], b"ustar\x0000");
    }

    #[test]
    fn a_stream_stores_its_content_in_blocks_of_at_most_64_kib() {
        let content = vec![7; 70_000];
        let stream = gzip(&content);
        assert_eq!(stream[10], 0);
        assert_eq!(u16::from_le_bytes([stream[11], stream[12]]), u16::MAX);
        let second = 10 + 5 + 65_535;
        assert_eq!(stream[second], 1);
        assert_eq!(
            usize::from(u16::from_le_bytes([stream[second + 1], stream[second + 2]])),
            70_000 - 65_535
        );
        assert_eq!(&stream[stream.len() - 4..], 70_000_u32.to_le_bytes());
        assert_eq!(gzip(b"").len(), 23);
    }
}
