//! Anchors: a key in parentheses, and what the character before them asks.

/// What a key of a pattern asks of the object's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// `(key)`: where it does not hold, the pattern is not about the object.
    Condition,
    /// `<(key)`: the same, but an absent key holds.
    Global,
    /// `=(key)`: if the key is there, its value must match.
    Equality,
    /// `^(key)`: in a list, if it is there, some element must match.
    Existence,
    /// `X(key)`: the key must not be there.
    Negation,
    /// `+(key)`: for patches only.
    AddIfAbsent,
}

/// The anchor of a key and the key inside; `None` for a plain key.
pub(crate) fn parse(key: &str) -> Option<(Anchor, &str)> {
    let (anchor, rest) = match key.as_bytes().first()? {
        b'(' => (Anchor::Condition, key),
        b'<' => (Anchor::Global, key.get(1..)?),
        b'=' => (Anchor::Equality, key.get(1..)?),
        b'^' => (Anchor::Existence, key.get(1..)?),
        b'X' => (Anchor::Negation, key.get(1..)?),
        b'+' => (Anchor::AddIfAbsent, key.get(1..)?),
        _ => return None,
    };
    let inside = rest.strip_prefix('(')?.strip_suffix(')')?;
    (!inside.is_empty()).then_some((anchor, inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, expected: Option<(Anchor, &str)>) {
        assert_eq!(parse(key), expected, "{key}");
    }

    #[test]
    fn an_anchor_is_parentheses_and_at_most_one_character_before() {
        check("(a)", Some((Anchor::Condition, "a")));
        check("<(a)", Some((Anchor::Global, "a")));
        check("=(a/b)", Some((Anchor::Equality, "a/b")));
        check("^(a)", Some((Anchor::Existence, "a")));
        check("X(a)", Some((Anchor::Negation, "a")));
        check("+(a)", Some((Anchor::AddIfAbsent, "a")));
        check("((a))", Some((Anchor::Condition, "(a)")));
        for plain in ["a", "()", "=()", "x(a)", "=(a", "a)", "==(a)", "", "=", "é(a)"] {
            check(plain, None);
        }
    }
}
