//! JSON pointers: the names of nodes in patches and diagnostics.
// SPEC: RFC 6901.
use crate::Value;
use std::borrow::Cow;

/// The reference tokens of a pointer, unescaped. The empty pointer (the whole document) has none; one that
/// does not start with `/` is read as if it did.
pub fn tokens(pointer: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let rest =
        if pointer.is_empty() { None } else { Some(pointer.strip_prefix('/').unwrap_or(pointer)) };
    rest.into_iter().flat_map(|rest| rest.split('/')).map(unescape)
}

/// One token as it stands in a pointer: `~` as `~0`, `/` as `~1`.
pub fn escape(token: &str) -> Cow<'_, str> {
    if token.contains(['~', '/']) {
        Cow::Owned(token.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(token)
    }
}

/// The token that an escaped one stands for. A `~` before anything else stays as it is.
pub fn unescape(token: &str) -> Cow<'_, str> {
    if token.contains('~') {
        // SPEC: RFC 6901 section 4: ~1 first, so that ~01 becomes ~1 and not a slash.
        Cow::Owned(token.replace("~1", "/").replace("~0", "~"))
    } else {
        Cow::Borrowed(token)
    }
}

/// A place in a list as a pointer writes it: digits without a sign or a leading zero.
pub fn index(token: &str) -> Option<usize> {
    let plain =
        token.bytes().all(|b| b.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    if plain { token.parse().ok() } else { None }
}

impl Value {
    /// The node that a pointer names: `/spec/containers/0/image`. `-` names no existing node.
    pub fn pointer(&self, pointer: &str) -> Option<&Self> {
        tokens(pointer).try_fold(self, |node, token| match node.as_list() {
            Some(items) => items.get(index(&token)?),
            None => node.get(&token),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_json;

    #[test]
    fn the_examples_of_the_specification_hold() {
        let doc = parse_json(
            br#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#,
        )
        .unwrap();
        let check = |pointer: &str, want: i64| {
            assert_eq!(doc.pointer(pointer), Some(&Value::int(want)), "{pointer}");
        };
        assert_eq!(doc.pointer(""), Some(&doc));
        assert_eq!(doc.pointer("/foo/0"), Some(&Value::string("bar")));
        check("/", 0);
        check("/a~1b", 1);
        check("/c%d", 2);
        check("/i\\j", 5);
        check("/k\"l", 6);
        check("/ ", 7);
        check("/m~0n", 8);
    }

    #[test]
    fn an_index_has_no_sign_and_no_leading_zero() {
        let doc = parse_json(b"[1,2]").unwrap();
        for token in ["/00", "/01", "/-", "/-1", "/+1", "/2", "/", "/1a"] {
            assert_eq!(doc.pointer(token), None, "{token}");
        }
    }

    #[test]
    fn unescaping_undoes_escaping() {
        for token in ["", "~", "/", "~1", "~01", "a/b~c", "~~//"] {
            assert_eq!(unescape(&escape(token)), token);
        }
    }
}
