//! Names from metadata: which of them may be part of an address or of a file name, and which patterns they match.

/// Bytes of a target's name.
pub const MAX_NAME: usize = 512;
/// Bytes of a role's name.
pub const MAX_ROLE: usize = 128;

/// True for a relative path of plain segments: nothing that leads out of a folder on any system.
pub fn is_target(name: &str) -> bool {
    name.len() <= MAX_NAME && name.split('/').all(is_segment)
}

/// True for one plain segment that is not the name of a top-level role.
pub fn is_delegated_role(name: &str) -> bool {
    name.len() <= MAX_ROLE
        && is_segment(name)
        && !name.contains('/')
        && !matches!(name, "root" | "timestamp" | "snapshot" | "targets")
}

fn is_segment(segment: &str) -> bool {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '@' | '=' | ' ');
    !segment.is_empty() && segment != "." && segment != ".." && segment.chars().all(plain)
}

/// Folder (with a slash at its end, or empty) and file of a target's name.
pub fn split(name: &str) -> (&str, &str) {
    match name.rfind('/').and_then(|at| name.split_at_checked(at + 1)) {
        Some(parts) => parts,
        None => ("", name),
    }
}

/// Whether a delegation's pattern covers a target: `*` and `?` match within one segment.
///
/// SPEC: TUF 1.0 section 4.5, PATHPATTERN. Linear in pattern times name.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (mut patterns, mut names) = (pattern.split('/'), name.split('/'));
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) if segment_matches(pattern.as_bytes(), name.as_bytes()) => {
            }
            _ => return false,
        }
    }
}

fn segment_matches(mut pattern: &[u8], mut name: &[u8]) -> bool {
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), name.split_first()) {
            (Some((b'*', rest)), _) => {
                star = Some((rest, name));
                pattern = rest;
            }
            (Some((p, ps)), Some((n, ns))) if *p == b'?' || p == n => {
                pattern = ps;
                name = ns;
            }
            (None, None) => return true,
            _ => match star {
                // The last star takes one byte more.
                Some((after, from)) => {
                    let Some((_, from)) = from.split_first() else { return false };
                    star = Some((after, from));
                    pattern = after;
                    name = from;
                }
                None => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_stays_within_its_segment() {
        for (pattern, name, expected) in [
            ("a/*", "a/b", true),
            ("a/*", "a/b/c", false),
            ("*", "a", true),
            ("*.json", "x.json", true),
            ("*.json", "x.jso", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xaxxbc", false),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn path_traversal_in_a_name_is_no_name() {
        for name in [
            "", ".", "..", "../a", "a/../b", "a//b", "/a", "a/", "a\\b", "a\0", "a\n", "..\\a",
            "a/..", "C:\\a", "%2e%2e",
        ] {
            assert!(!is_target(name), "{name:?}");
            assert!(!is_delegated_role(name), "{name:?}");
        }
        assert!(is_target("a/b.json") && is_target("..a") && is_target("trusted_root.json"));
        assert!(is_delegated_role("registry.npmjs.org") && !is_delegated_role("a/b"));
        assert!(!is_delegated_role("root"));
    }
}
