//! Wildcards as Kyverno's policies write them: `*` is any run of characters, `?` exactly one.
// COMPAT: Kyverno 1.19 ext/wildcard: `*` also crosses `/` and may be empty, `?` is one character and not one
// byte, the empty pattern matches only the empty text, nothing can be escaped; test: the_rules_of_kyverno_hold.

/// True when the pattern has a `*` or a `?`; without one it matches only itself.
pub fn contains_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// True when the whole text matches the pattern.
///
/// The pieces between stars are searched for one after the other and never again, so the time grows with the
/// text: a piece without `?` by the standard library's linear search, one with `?` by one pass that costs a
/// machine word per 64 characters of the piece.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return after_prefix(pattern, text) == Some("");
    };
    let Some(text) = after_prefix(head, text) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut text) = before_suffix(tail, text) else { return false };
    for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
        // The leftmost place leaves the most text to the pieces after it.
        let Some(after) = after_piece(piece, text) else { return false };
        text = after;
    }
    true
}

/// What follows a prefix without stars.
fn after_prefix<'t>(prefix: &str, text: &'t str) -> Option<&'t str> {
    let mut text = text.chars();
    let fits = prefix.chars().all(|want| text.next().is_some_and(|c| want == '?' || want == c));
    fits.then_some(text.as_str())
}

/// What precedes a suffix without stars.
fn before_suffix<'t>(suffix: &str, text: &'t str) -> Option<&'t str> {
    let mut text = text.chars();
    let fits =
        suffix.chars().rev().all(|want| text.next_back().is_some_and(|c| want == '?' || want == c));
    fits.then_some(text.as_str())
}

/// What follows the leftmost place of a piece without stars.
fn after_piece<'t>(piece: &str, text: &'t str) -> Option<&'t str> {
    if piece.contains('?') {
        return shift_and(piece, text);
    }
    text.split_once(piece).map(|(_, after)| after)
}

/// Bit-parallel search: bit i of the state says that the piece's first i + 1 characters end here.
fn shift_and<'t>(piece: &str, text: &'t str) -> Option<&'t str> {
    let wanted: Vec<char> = piece.chars().collect();
    let words = wanted.len().div_ceil(64);
    let mask_of = |c: Option<char>| -> Vec<u64> {
        let bit = |want: &char| u64::from(*want == '?' || Some(*want) == c);
        wanted
            .chunks(64)
            .map(|chunk| chunk.iter().rev().fold(0, |word, want| word << 1 | bit(want)))
            .collect()
    };
    let mut letters: Vec<char> = wanted.iter().copied().filter(|c| *c != '?').collect();
    letters.sort_unstable();
    letters.dedup();
    let masks: Vec<Vec<u64>> = letters.iter().map(|c| mask_of(Some(*c))).collect();
    let any_other = mask_of(None);
    let last = 1_u64 << ((wanted.len() - 1) % 64);
    let mut state = vec![0_u64; words];
    let mut text = text.chars();
    while let Some(c) = text.next() {
        let mask =
            letters.binary_search(&c).ok().and_then(|at| masks.get(at)).unwrap_or(&any_other);
        let mut carry = 1;
        for (word, mask) in state.iter_mut().zip(mask) {
            let shifted = *word << 1 | carry;
            carry = *word >> 63;
            *word = shifted & mask;
        }
        if state.last().is_some_and(|word| word & last != 0) {
            return Some(text.as_str());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rules_of_kyverno_hold() {
        for (pattern, text, want) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b", true),
            ("?", "", false),
            ("?", "é", true),
            ("?", "ab", false),
            ("?*", "", false),
            ("*?", "a", true),
            ("ghcr.io/*/app:v?", "ghcr.io/a/b/app:v1", true),
            ("ghcr.io/*/app:v?", "ghcr.io/app:v1", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*ab*ab*", "ab", false),
            ("*.example.com", "a.example.com", true),
            ("a.b", "axb", false),
            ("[a]*", "a", false),
            ("**a**", "bab", true),
            ("*a?c*", "aabcc", true),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern:?} {text:?}");
        }
        assert!(contains_wildcard("a?") && contains_wildcard("*") && !contains_wildcard("a.[b]"));
    }

    #[test]
    fn many_stars_over_a_long_text_take_linear_time() {
        let text = "a".repeat(200_000);
        assert!(!matches(&("*a".repeat(200) + "*b"), &text));
        // One piece of 1,000 characters with `?`: 16 words a character, not 1,000 comparisons.
        assert!(!matches(&format!("*{}?b*", "a".repeat(1_000)), &text));
    }

    proptest! {
        #[test]
        fn wildcards_agree_with_the_regular_expression(pattern in "[abé?*]{0,9}", text in "[abé]{0,12}") {
            let mut expression = String::from("(?s)^");
            for c in pattern.chars() {
                match c {
                    '*' => expression.push_str(".*"),
                    '?' => expression.push('.'),
                    other => expression.push(other),
                }
            }
            expression.push('$');
            let expected = regex::Regex::new(&expression).unwrap().is_match(&text);
            prop_assert_eq!(matches(&pattern, &text), expected);
        }

        #[test]
        fn pieces_longer_than_a_word_are_found(letters in proptest::collection::vec("[ab]", 60..140), at in 0_usize..60) {
            let piece: String = letters.concat();
            let mut wild = letters;
            wild[at] = "?".into();
            let text = format!("ababx{piece}y");
            let pattern = format!("*{}*", wild.concat());
            let absent = format!("*{}z*", wild.concat());
            prop_assert!(matches(&pattern, &text));
            prop_assert!(!matches(&absent, &text));
        }
    }
}
