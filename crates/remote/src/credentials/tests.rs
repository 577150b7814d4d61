//! Claims about credentials.
use super::*;
use crate::options::Options;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::time::Duration;

fn location(host: &str, path: &str) -> Location {
    Location { host: host.into(), path: path.into() }
}

/// What a client with these options asks for credentials.
pub(super) fn helpers(options: &Options) -> Helpers {
    Helpers::new(exchange(options))
}

pub(super) fn exchange(options: &Options) -> Arc<Exchange> {
    Arc::new(Exchange {
        clients: crate::wire::clients::Clients::new(options),
        hosts: crate::wire::host::Hosts::new(options.per_host),
        observer: Arc::new(crate::Unobserved),
        options: Arc::new(options.clone()),
    })
}

fn auth(user: &str) -> String {
    STANDARD.encode(format!("{user}:pw"))
}

fn users(keys: &[Key]) -> Vec<&str> {
    keys.iter()
        .map(|key| match key {
            Key::Basic { username, .. } => username.as_str(),
            Key::Identity(_) => "<identity>",
            Key::Bearer(_) => "<bearer>",
        })
        .collect()
}

/// The user whose login stands under a key; user names hold no colon.
fn user_of(key: &str) -> String {
    key.trim_start_matches("https://").replace(':', "+")
}

/// Which user of a Secret with these keys (each its own user) is tried, in order.
fn check_kubelet(keys: &[&str], host: &str, path: &str, expected: &[&str]) {
    let entries: serde_json::Map<_, _> = keys
        .iter()
        .map(|key| ((*key).to_owned(), serde_json::json!({ "auth": auth(&user_of(key)) })))
        .collect();
    let new = serde_json::json!({ "auths": entries }).to_string();
    let old = serde_json::Value::Object(entries).to_string();
    for secret in
        [PullSecret::DockerConfigJson(Secret::new(new)), PullSecret::Dockercfg(Secret::new(old))]
    {
        let found = kubelet::matching(&secret, &location(host, path)).unwrap();
        assert_eq!(users(&found), expected, "{keys:?} {host}/{path}");
    }
}

#[test]
fn pull_secrets_match_as_the_kubelet_matches() {
    check_kubelet(&["r.example"], "r.example", "a/b", &["r.example"]);
    check_kubelet(&["r.example"], "evil.example", "a/b", &[]);
    check_kubelet(&["r.example"], "r.example.evil", "a/b", &[]);
    check_kubelet(&["*.example"], "r.example", "a", &["*.example"]);
    check_kubelet(&["*.example"], "a.r.example", "a", &[]);
    check_kubelet(&["r.example"], "r.example:5000", "a", &[]);
    check_kubelet(&["r.example:5000"], "r.example:5000", "a", &["r.example+5000"]);
    check_kubelet(
        &["r.example", "r.example/team", "r.example/other"],
        "r.example",
        "team/app",
        &["r.example/team", "r.example"],
    );
    check_kubelet(&["r.example/team/app"], "r.example", "team", &[]);
    check_kubelet(&["r.example/v1/"], "r.example", "a", &["r.example/v1/"]);
}

#[test]
fn docker_hub_is_found_under_its_old_and_new_names() {
    let hub = sigward_oci::DOCKER_HUB;
    for key in ["docker.io", "https://index.docker.io/v1/", "index.docker.io"] {
        check_kubelet(&[key], hub, "library/nginx", &[key.trim_start_matches("https://")]);
    }
    for key in ["https://index.docker.io/v1/", "docker.io", "index.docker.io"] {
        let text = serde_json::json!({"auths": {key: {"auth": auth("hub")}}}).to_string();
        let config = config_file::parse(text.as_bytes()).unwrap();
        let found = config.key_for(&location(hub, "library/nginx")).unwrap();
        assert_eq!(users(&[found]), ["hub"], "{key}");
    }
}

#[test]
fn the_most_specific_login_of_a_file_wins_by_whole_elements() {
    let text = serde_json::json!({"auths": {
        "r.example": {"auth": auth("host")},
        "r.example/team": {"auth": auth("team")},
        "https://r.example/team/app": {"username": "app", "password": "pw"},
    }})
    .to_string();
    let config = config_file::parse(text.as_bytes()).unwrap();
    for (path, expected) in [
        ("team/app", "app"),
        ("team/app/deep", "app"),
        ("team/other", "team"),
        ("team-evil/app", "host"),
        ("x", "host"),
    ] {
        let found = config.key_for(&location("r.example", path)).unwrap();
        assert_eq!(users(&[found]), [expected], "{path}");
    }
    assert!(config.key_for(&location("other.example", "team/app")).is_none());
}

#[test]
fn every_kind_of_login_is_understood() {
    for (entry, expected) in [
        (serde_json::json!({"auth": auth("a")}), Some("a")),
        (serde_json::json!({"username": "b", "password": "p"}), Some("b")),
        (serde_json::json!({"identitytoken": "t", "auth": auth("c")}), Some("<identity>")),
        (serde_json::json!({"registrytoken": "t"}), Some("<bearer>")),
        (serde_json::json!({"username": "<token>", "password": "t"}), Some("<identity>")),
        (serde_json::json!({}), None),
        (serde_json::json!({"auth": "%%%"}), None),
    ] {
        let text = serde_json::json!({"auths": {"r.example": entry}}).to_string();
        let config = config_file::parse(text.as_bytes()).unwrap();
        let found = config.key_for(&location("r.example", "a"));
        assert_eq!(users(found.as_slice()).first().copied(), expected, "{text}");
    }
}

#[test]
fn a_malformed_file_is_reported_without_quoting_it() {
    let error = config_file::parse(br#"{"auths": {"r": {"auth": 12345678}}}"#).err().unwrap();
    assert!(!error.to_string().contains("12345678"), "{error}");
}

#[test]
fn a_login_is_added_and_everything_else_stays() {
    let before = br#"{"auths":{"a.example":{"auth":"eDp5"}},"credsStore":"x","proxies":{"z":1}}"#;
    let after = with_login(before, "r.example:5000", "me", &Secret::new("pw")).unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(&after).unwrap();
    assert_eq!(value["auths"]["r.example:5000"]["auth"], STANDARD.encode("me:pw"));
    value["auths"].as_object_mut().unwrap().remove("r.example:5000");
    assert_eq!(value, serde_json::from_slice::<serde_json::Value>(before).unwrap());
    let hub = with_login(b"", "docker.io", "me", &Secret::new("pw")).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&hub).unwrap();
    assert!(value["auths"]["https://index.docker.io/v1/"].is_object(), "{value}");
    assert!(with_login(b"[]", "r", "me", &Secret::new("pw")).is_err());
}

#[test]
fn keys_are_never_printed() {
    let key = Key::Basic { username: "u".into(), password: Secret::new("hunter2") };
    assert!(!format!("{key:?}").contains("hunter2"));
}

#[test]
fn files_are_looked_for_where_docker_and_podman_keep_them() {
    let check = |set: &[(&str, &str)], expected: &[&str]| {
        let found = docker_configs(|name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        });
        let found: Vec<_> = found.iter().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(found, expected);
    };
    check(&[("HOME", "/h")], &["/h/.docker/config.json", "/h/.config/containers/auth.json"]);
    check(
        &[("DOCKER_CONFIG", "/d"), ("REGISTRY_AUTH_FILE", "/f"), ("XDG_RUNTIME_DIR", "/x")],
        &["/d/config.json", "/f", "/x/containers/auth.json"],
    );
    check(&[("DOCKER_CONFIG", "")], &[]);
}

/// Secrets by name, as a cluster would give them.
#[derive(Debug)]
struct Fixed(Vec<(&'static str, Result<Option<PullSecret>, SmolStr>)>);

impl Credentials for Fixed {
    fn pull_secret<'a>(&'a self, _: &'a str, name: &'a str) -> PullSecretFuture<'a> {
        let found = self.0.iter().find(|(key, _)| *key == name);
        Box::pin(std::future::ready(found.map_or(Ok(None), |(_, answer)| answer.clone())))
    }
}

fn secret(host: &str, user: &str) -> PullSecret {
    let text = serde_json::json!({"auths": {host: {"auth": auth(user)}}}).to_string();
    PullSecret::DockerConfigJson(Secret::new(text))
}

fn access(names: &[&str]) -> Access {
    let secrets = names.iter().map(|name| ("ns".into(), (*name).into())).collect();
    Access { secrets, ..Access::default() }
}

#[tokio::test]
async fn secrets_of_a_rule_replace_the_ambient_credentials() {
    let options = Options { ambient: access(&["ambient"]), ..Options::default() };
    let source = Fixed(vec![
        ("ambient", Ok(Some(secret("r.example", "ambient")))),
        ("own", Ok(Some(secret("r.example", "own")))),
    ]);
    let at = location("r.example", "a");
    let found = helpers(&options).find(&source, &Access::default(), &at).await.unwrap();
    assert_eq!(users(&found.list), ["ambient"]);
    let found = helpers(&options).find(&source, &access(&["own"]), &at).await.unwrap();
    assert_eq!(users(&found.list), ["own"]);
    let found = helpers(&options).find(&source, &access(&["missing"]), &at).await.unwrap();
    assert!(found.list.is_empty());
    assert_eq!(found.notes, ["secret ns/missing not found"]);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_is_an_error_and_not_anonymous() {
    let source = Fixed(vec![("own", Err("cluster away".into()))]);
    let at = location("r.example", "a");
    let found = helpers(&Options::default()).find(&source, &access(&["own"]), &at).await;
    assert_eq!(found.unwrap_err(), "secret ns/own: cluster away");
}

#[tokio::test]
async fn a_login_is_only_for_the_hosts_it_was_given_for() {
    let key = Key::Basic { username: "me".into(), password: Secret::new("pw") };
    let login = Some(Login { hosts: vec!["docker.io".into()], key });
    let options = Options { login, ..Options::default() };
    let at = location(sigward_oci::DOCKER_HUB, "library/a");
    let found = helpers(&options).find(&NoSecrets, &Access::default(), &at).await.unwrap();
    assert_eq!(users(&found.list), ["me"]);
    let at = location("evil.example", "library/a");
    let found = helpers(&options).find(&NoSecrets, &Access::default(), &at).await.unwrap();
    assert!(found.list.is_empty());
}

/// One program at a time: a file that another thread's child still holds open cannot be run.
#[cfg(unix)]
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Runs a helper whose body is this script.
#[cfg(unix)]
async fn run_helper(script: &str) -> Result<Option<Key>, program::ProgramError> {
    use std::os::unix::fs::PermissionsExt as _;
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("docker-credential-x");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut path = folder.path().as_os_str().to_owned();
    path.push(":/usr/bin:/bin");
    let limit = Duration::from_secs(if script.contains("sleep 30") { 1 } else { 20 });
    program::get(&"x".into(), "r.example", limit, Some(&path)).await
}

#[cfg(unix)]
#[tokio::test]
async fn a_helper_program_is_asked_for_its_server() {
    let script = r#"read server; echo "{\"Username\":\"$server\",\"Secret\":\"pw\"}""#;
    let found = run_helper(script).await.unwrap();
    assert_eq!(users(found.as_slice()), ["r.example"]);
    let found = run_helper(r#"echo '{"Username":"<token>","Secret":"t"}'"#).await.unwrap();
    assert_eq!(users(found.as_slice()), ["<identity>"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_helper_program_is_not_run_for_each_request() {
    use std::os::unix::fs::PermissionsExt as _;
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("docker-credential-x");
    let runs = folder.path().join("runs");
    let script = format!(
        "#!/bin/sh\necho run >> {}\nsleep 0.1\necho '{{\"Username\":\"u\",\"Secret\":\"pw\"}}'\n",
        runs.display()
    );
    std::fs::write(&file, script).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = folder.path().join("config.json");
    std::fs::write(&config, r#"{"credHelpers":{"r.example":"x"}}"#).unwrap();
    let mut path = folder.path().as_os_str().to_owned();
    path.push(":/usr/bin:/bin");
    let options =
        Options { docker_configs: vec![config], helper_path: Some(path), ..Options::default() };
    let helpers = helpers(&options);
    let (access, at) = (Access::default(), location("r.example", "a"));
    for _ in 0..2 {
        let asking = (0..5).map(|_| helpers.find(&NoSecrets, &access, &at));
        for found in futures_util::future::join_all(asking).await {
            assert_eq!(users(&found.unwrap().list), ["u"]);
        }
    }
    assert_eq!(std::fs::read_to_string(runs).unwrap(), "run\n");
}

#[cfg(unix)]
#[tokio::test]
async fn a_helper_program_that_has_nothing_is_no_error() {
    let found = run_helper("echo 'credentials not found in native keychain'; exit 1").await;
    assert!(matches!(found, Ok(None)), "{found:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_helper_program_that_hangs_or_fails_is_told() {
    let found = run_helper("exec sleep 30").await;
    assert!(matches!(found, Err(program::ProgramError::Slow(..))), "{found:?}");
    let found = run_helper("exit 3").await;
    assert!(matches!(found, Err(program::ProgramError::Failed(_))), "{found:?}");
    let found = run_helper("echo nonsense").await;
    assert!(matches!(found, Err(program::ProgramError::Malformed(_))), "{found:?}");
}

#[tokio::test]
async fn a_helper_name_cannot_be_a_path() {
    for name in ["/bin/x", "../x", "a b", "", "x;y"] {
        let found = program::get(&name.into(), "r.example", Duration::from_secs(5), None).await;
        assert!(matches!(found, Err(program::ProgramError::Name(_))), "{name}");
    }
}
