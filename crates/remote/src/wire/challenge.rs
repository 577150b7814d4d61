//! `WWW-Authenticate` in its many spellings.
//!
//! SPEC: RFC 9110 section 11.6.1: challenges and parameters share the comma. Registries in the
//! field also leave quotes out, put blanks around `=`, or separate by `;`.

/// One challenge; scheme and names of parameters are lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Challenge {
    pub(crate) scheme: String,
    pub(crate) parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The first parameter of that name, when it is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

/// Longest header that is looked at.
const LONGEST: usize = 8 << 10;
/// Most challenges that are kept.
const MOST: usize = 16;

/// Reads one header line; what cannot be read is left out.
pub(crate) fn parse(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = header.get(..LONGEST).unwrap_or(header);
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',', ';']);
        let (word, after) = split_at(rest, |c| matches!(c, ' ' | '\t' | ',' | ';' | '='));
        if word.is_empty() {
            // Only a stray `=` can be here; whatever follows belongs to no parameter.
            match rest.strip_prefix('=') {
                Some(next) => rest = next,
                None => return found,
            }
            continue;
        }
        let next = after.trim_start_matches([' ', '\t']);
        if let (Some(value), Some(challenge)) = (next.strip_prefix('='), found.last_mut()) {
            let (value, after) = read_value(value.trim_start_matches([' ', '\t']));
            if challenge.parameters.len() < MOST {
                challenge.parameters.push((word.to_ascii_lowercase(), value));
            }
            rest = after;
        } else {
            if found.len() == MOST {
                return found;
            }
            found.push(Challenge { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
            rest = after;
        }
    }
}

fn split_at(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(ends).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn read_value(text: &str) -> (String, &str) {
    let Some(quote @ ('"' | '\'')) = text.chars().next() else {
        let (word, after) = split_at(text, |c| matches!(c, ' ' | '\t' | ',' | ';'));
        return (word.to_owned(), after);
    };
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if character == quote {
            return (value, text.get(at + 1..).unwrap_or(""));
        }
        if character == '\\'
            && let Some((_, escaped)) = characters.next()
        {
            value.push(escaped);
        } else {
            value.push(character);
        }
    }
    // The closing quote is missing: the rest is the value.
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(header: &str, expected: &[(&str, &[(&str, &str)])]) {
        let found = parse(header);
        let found: Vec<(&str, Vec<(&str, &str)>)> = found
            .iter()
            .map(|challenge| {
                let parameters = challenge.parameters.iter();
                (
                    challenge.scheme.as_str(),
                    parameters.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
                )
            })
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(scheme, list)| (*scheme, list.to_vec())).collect();
        assert_eq!(found, expected, "{header}");
    }

    #[test]
    fn reads_the_spellings_that_registries_use() {
        let bearer: &[(&str, &str)] = &[
            ("realm", "https://auth.docker.io/token"),
            ("service", "registry.docker.io"),
            ("scope", "repository:a/b:pull,push"),
        ];
        check(
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
            &[("bearer", bearer)],
        );
        check(
            r#"bearer  Realm = "https://auth.docker.io/token" , SERVICE="registry.docker.io" ; scope='repository:a/b:pull,push'"#,
            &[("bearer", bearer)],
        );
        check(
            "BEARER realm=https://a.example/t?x=y,service=z",
            &[("bearer", &[("realm", "https://a.example/t?x=y"), ("service", "z")])],
        );
        check(
            r#"Basic realm="a \"quoted\" name""#,
            &[("basic", &[("realm", "a \"quoted\" name")])],
        );
        check("Basic", &[("basic", &[])]);
    }

    #[test]
    fn reads_several_challenges_of_one_header() {
        check(
            r#"Negotiate, Bearer realm="r",service="s", Basic realm="b""#,
            &[
                ("negotiate", &[]),
                ("bearer", &[("realm", "r"), ("service", "s")]),
                ("basic", &[("realm", "b")]),
            ],
        );
    }

    #[test]
    fn broken_headers_end_without_an_answer() {
        check("", &[]);
        check(", ,", &[]);
        check("= = =", &[]);
        check(r#"Bearer realm="never closed"#, &[("bearer", &[("realm", "never closed")])]);
    }

    proptest! {
        #[test]
        fn no_header_panics_or_hangs(header in ".{0,200}") {
            let _ = parse(&header);
        }

        #[test]
        fn what_was_quoted_comes_back(value in "[ -~]{1,40}") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            let found = parse(&format!("Bearer realm=\"{quoted}\", service=x"));
            prop_assert_eq!(found[0].get("realm"), Some(value.as_str()));
            prop_assert_eq!(found[0].get("service"), Some("x"));
        }
    }
}
