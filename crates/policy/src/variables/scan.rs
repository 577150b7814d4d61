//! Finds `{{ … }}` in a text.

/// One variable of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variable<'t> {
    /// Byte offset of the first brace.
    pub(crate) start: usize,
    /// Byte offset behind the last brace.
    pub(crate) end: usize,
    /// What stands between the braces, trimmed, without the dash.
    pub(crate) expression: &'t str,
    /// `{{- … }}`: what comes of it is not looked at again.
    pub(crate) shallow: bool,
}

/// The variables of a text, from left to right. `\{{` begins none; inside, one level of `{ … }` may stand.
pub(crate) fn variables(text: &str) -> Variables<'_> {
    Variables { text, at: 0 }
}

/// See [`variables`].
#[derive(Clone, Debug)]
pub(crate) struct Variables<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Iterator for Variables<'t> {
    type Item = Variable<'t>;

    fn next(&mut self) -> Option<Variable<'t>> {
        loop {
            let rest = self.text.get(self.at..)?;
            let start = self.at + rest.find("{{")?;
            let escaped =
                start > 0 && self.text.as_bytes().get(start - 1).is_some_and(|b| *b == b'\\');
            let end = if escaped { None } else { end_of(self.text.as_bytes(), start + 2) };
            let Some(end) = end else {
                self.at = start + 1;
                continue;
            };
            self.at = end;
            let inside = self.text.get(start + 2..end - 2)?;
            let (inside, shallow) = inside.strip_prefix('-').map_or((inside, false), |i| (i, true));
            return Some(Variable { start, end, expression: inside.trim(), shallow });
        }
    }
}

/// The offset behind `}}`, when only one level of braces stands before it.
fn end_of(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    let mut inner = false;
    loop {
        match (bytes.get(at)?, inner) {
            (b'{', false) => inner = true,
            (b'{', true) => return None,
            (b'}', true) => inner = false,
            (b'}', false) => return (bytes.get(at + 1)? == &b'}').then_some(at + 2),
            _ => {}
        }
        at += 1;
    }
}

/// Takes the backslash off `\{{` and `\$(`.
pub(crate) fn unescape(text: &str) -> String {
    text.replace("\\{{", "{{").replace("\\$(", "$(")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, bool)]) {
        let got: Vec<_> = variables(text).map(|v| (v.expression, v.shallow)).collect();
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn finds_variables_with_one_level_of_braces_inside() {
        check("{{ a.b }}", &[("a.b", false)]);
        check("x{{a}}{{b}}y", &[("a", false), ("b", false)]);
        check("{{- a }}", &[("a", true)]);
        check("{{ {a: b} }}", &[("{a: b}", false)]);
        check("{{ to_string({a: b}) }} c", &[("to_string({a: b})", false)]);
        check("{{ {a: {b: c}} }}", &[]);
        check("\\{{ a }}", &[]);
        check("{{ a }", &[]);
        check("{{", &[]);
        check("é{{ ü }}é", &[("ü", false)]);
    }

    #[test]
    fn unescapes_what_was_kept_from_being_a_variable() {
        assert_eq!(unescape("\\{{ a }} \\$(b)"), "{{ a }} $(b)");
    }
}
