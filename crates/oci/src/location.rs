//! Which host answers for a repository, and under which path.
use smol_str::{SmolStr, format_smolstr};

/// The host that answers for `docker.io`.
pub const DOCKER_HUB: &str = "registry-1.docker.io";

/// A repository as a registry's HTTP interface knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// Host, with `:port` when there is one.
    pub host: SmolStr,
    /// The name between `/v2/` and `/manifests/`.
    pub path: SmolStr,
}

impl Location {
    /// True when host and path are in the distribution grammar: only then do they fit into a URL
    /// without turning into something else.
    pub fn is_valid(&self) -> bool {
        crate::reference::is_name(&self.host, &self.path)
    }
}

/// Finds host and path of a repository in any of its spellings (`nginx`, `docker.io/nginx`,
/// `index.docker.io/library/nginx`, `localhost:5000/a/b`).
///
/// This is the only place where `library/` appears: patterns of policies see names without it.
pub fn resolve_host(repository: &str) -> Location {
    let (host, path) = match repository.split_once('/') {
        Some((first, rest)) if is_host(first) => (first, rest),
        _ => ("docker.io", repository),
    };
    if !matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io") {
        return Location { host: host.into(), path: path.into() };
    }
    let path = if path.contains('/') { path.into() } else { format_smolstr!("library/{path}") };
    Location { host: DOCKER_HUB.into(), path }
}

/// True when the first element of a name is a host and not a part of the path.
///
/// COMPAT: Kyverno 1.19: an upper-case first element counts as a host, as no path may hold upper
/// case; test: `the_normal_form_is_kyvernos`.
pub(crate) fn is_host(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(repository: &str, host: &str, path: &str) {
        let found = resolve_host(repository);
        assert_eq!((found.host.as_str(), found.path.as_str()), (host, path), "{repository}");
    }

    #[test]
    fn docker_hub_is_asked_at_its_real_host_with_the_library_prefix() {
        check("nginx", DOCKER_HUB, "library/nginx");
        check("docker.io/nginx", DOCKER_HUB, "library/nginx");
        check("index.docker.io/library/nginx", DOCKER_HUB, "library/nginx");
        check("docker.io/a/b", DOCKER_HUB, "a/b");
        check("a/b", DOCKER_HUB, "a/b");
    }

    #[test]
    fn names_that_would_be_another_url_are_not_valid() {
        for (repository, valid) in [
            ("r.example:5000/a/b", true),
            ("[::1]:5000/a", true),
            ("docker.io/nginx", true),
            ("r.example/a?x", false),
            ("r.example/a/../b", false),
            ("r.example/A", false),
            ("u@r.example/a", false),
            ("r.example:x/a", false),
            ("r.example/", false),
        ] {
            assert_eq!(resolve_host(repository).is_valid(), valid, "{repository}");
        }
    }

    #[test]
    fn other_hosts_are_asked_as_they_are_written() {
        check("ghcr.io/a", "ghcr.io", "a");
        check("localhost/a", "localhost", "a");
        check("localhost:5000/a/b", "localhost:5000", "a/b");
        check("[::1]:5000/a", "[::1]:5000", "a");
        check("REGISTRY/a", "REGISTRY", "a");
    }
}
