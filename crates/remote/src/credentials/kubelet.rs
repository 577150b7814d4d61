//! imagePullSecrets: the kubelet's way to match their keys with images.
//!
//! COMPAT: Kubernetes 1.36 credentialprovider/keyring.go: patterns per element of the host, equal
//! ports, a prefix of the path (of characters, not elements), longest keys first;
//! test: `pull_secrets_match_as_the_kubelet_matches`.
use super::{
    Key, PullSecret,
    config_file::{self, ConfigError},
};
use sigward_oci::Location;

/// The credentials of a Secret that fit a repository, most specific first.
pub(super) fn matching(secret: &PullSecret, location: &Location) -> Result<Vec<Key>, ConfigError> {
    let entries = match secret {
        PullSecret::DockerConfigJson(bytes) => config_file::parse(bytes.expose())?.into_entries(),
        PullSecret::Dockercfg(bytes) => config_file::parse_entries(bytes.expose())?,
    };
    let mut keys: Vec<(String, Key)> =
        entries.iter().filter_map(|(name, entry)| Some((normalize(name), entry.key()?))).collect();
    // Reverse order puts longer paths of one host before shorter ones.
    keys.sort_by(|(one, _), (other, _)| other.cmp(one));
    // The kubelet sees Docker Hub as docker.io and, as a last resort, as index.docker.io.
    let hub = location.host == sigward_oci::DOCKER_HUB;
    let host = if hub { "docker.io" } else { location.host.as_str() };
    let mut found: Vec<Key> = keys
        .iter()
        .filter(|(pattern, _)| matches(pattern, host, &location.path))
        .map(|(_, key)| key.clone())
        .collect();
    if found.is_empty() && hub {
        found = keys
            .iter()
            .filter(|(pattern, _)| pattern == "index.docker.io")
            .map(|(_, key)| key.clone())
            .collect();
    }
    Ok(found)
}

/// A key without scheme, user, query, and without a leading `/v1` or `/v2` in its path.
fn normalize(key: &str) -> String {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.split(['?', '#']).next().unwrap_or(key);
    let (host, path) = match key.find('/').and_then(|at| key.split_at_checked(at)) {
        Some((host, path)) => (host, path),
        None => (key, ""),
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = if path.starts_with("/v1/") || path.starts_with("/v2/") {
        path.get(3..).unwrap_or("")
    } else {
        path
    };
    if path == "/" { host.to_owned() } else { format!("{host}{path}") }
}

fn matches(pattern: &str, host: &str, path: &str) -> bool {
    let (pattern_host, pattern_path) = pattern.split_once('/').unwrap_or((pattern, ""));
    let (pattern_name, pattern_port) = split_port(pattern_host);
    let (name, port) = split_port(host);
    pattern_port == port
        && path.starts_with(pattern_path)
        && pattern_name.split('.').count() == name.split('.').count()
        && pattern_name.split('.').zip(name.split('.')).all(|(pattern, part)| glob(pattern, part))
}

fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host, ""),
    }
}

/// Go's `path.Match` for one element: `*`, `?`, `[a-z]`, `[^a-z]`, `\x`. A broken pattern matches
/// nothing. Linear in pattern times text: only the last `*` is ever tried again.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut on) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    loop {
        if pattern.get(at) == Some(&'*') {
            at += 1;
            again = Some((at, on));
            continue;
        }
        match (one(&pattern, at), text.get(on)) {
            (Step::End, None) => return true,
            (Step::Broken, _) => return false,
            (Step::Takes { set, next }, Some(character)) if set.holds(*character) => {
                at = next;
                on += 1;
                continue;
            }
            _ => {}
        }
        let Some((star, from)) = again.filter(|(_, from)| *from < text.len()) else { return false };
        again = Some((star, from + 1));
        at = star;
        on = from + 1;
    }
}

enum Step {
    End,
    Broken,
    Takes { set: Set, next: usize },
}

struct Set {
    ranges: Vec<(char, char)>,
    negated: bool,
}

impl Set {
    fn holds(&self, character: char) -> bool {
        let inside = self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&character));
        inside != self.negated
    }
}

/// Reads what stands at one place of a pattern.
fn one(pattern: &[char], at: usize) -> Step {
    let single = |character, next| Step::Takes {
        set: Set { ranges: vec![(character, character)], negated: false },
        next,
    };
    match pattern.get(at) {
        None => Step::End,
        Some('?') => Step::Takes { set: Set { ranges: Vec::new(), negated: true }, next: at + 1 },
        Some('\\') => match pattern.get(at + 1) {
            Some(character) => single(*character, at + 2),
            None => Step::Broken,
        },
        Some('[') => {
            let negated = pattern.get(at + 1) == Some(&'^');
            let mut next = at + 1 + usize::from(negated);
            let mut ranges = Vec::new();
            loop {
                let Some(low) = pattern.get(next).copied() else { return Step::Broken };
                if low == ']' {
                    if ranges.is_empty() {
                        return Step::Broken;
                    }
                    return Step::Takes { set: Set { ranges, negated }, next: next + 1 };
                }
                next += 1;
                let mut high = low;
                if pattern.get(next) == Some(&'-') {
                    let Some(end) = pattern.get(next + 1).copied() else { return Step::Broken };
                    high = end;
                    next += 2;
                }
                ranges.push((low, high));
            }
        }
        Some(character) => single(*character, at + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_hosts_match_as_go_matches_them() {
        for (pattern, text, expected) in [
            ("*", "anything", true),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("a*b*c", "axxbyyc", true),
            ("?", "a", true),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[", "[", false),
            ("\\*", "*", true),
            ("abc", "ab", false),
            ("ab", "abc", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_does_not_take_long() {
        let started = std::time::Instant::now();
        assert!(!glob(&"*a".repeat(200), &"a".repeat(199)));
        assert!(started.elapsed().as_secs() < 2);
    }
}
