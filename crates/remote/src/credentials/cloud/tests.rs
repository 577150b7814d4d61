//! Claims about cloud credentials, held against doubles of the clouds' services on loopback.
use super::*;
use crate::{NoSecrets, Options, credentials::tests::exchange};
use aws_lc_rs::{
    encoding::AsDer as _,
    rsa,
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use sigward_oci::{Access, Location};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
};

const ECR: &str = "123456789012.dkr.ecr.eu-central-1.amazonaws.com";

/// Answers by the beginning of the request, and keeps what it was asked.
struct Double {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Double {
    /// `answers`: how a request begins, the status, the body (of a redirect: where to).
    fn start(answers: &[(&'static str, u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let answers: Vec<(&'static str, u16, String)> = answers
            .iter()
            .map(|(start, status, body)| (*start, *status, (*body).to_owned()))
            .collect();
        let heard = Arc::clone(&asked);
        // It ends with the process; nobody joins it.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                        break;
                    }
                    if let Some(size) = line.to_lowercase().strip_prefix("content-length:") {
                        length = size.trim().parse().unwrap();
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                // Before the answer: whoever has it may ask at once what was heard.
                heard.lock().unwrap().push(format!("{head}\n{}", String::from_utf8_lossy(&body)));
                let answer = answers.iter().find(|(start, ..)| head.starts_with(start));
                let (status, text) =
                    answer.map_or((404, ""), |(_, status, body)| (*status, body.as_str()));
                let place = if status == 307 { text } else { "" };
                let _gone = write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nlocation: {place}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                    text.len()
                );
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// A client that finds every service and every metadata address here.
    fn clouds(&self, variables: &[(&'static str, &str)]) -> Arc<Clouds> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let mut options =
            Options { clouds: CloudEnvironment::read(environment), ..Options::default() };
        options.attempts = 1;
        let places = Places {
            amazon: self.url.clone(),
            amazon_container: self.url.clone(),
            google: self.url.clone(),
            azure: self.url.clone(),
            services: Some(self.url.clone()),
        };
        Clouds::new(exchange(&options), places)
    }
}

fn basic(key: &Key) -> (&str, &str) {
    match key {
        Key::Basic { username, password } => (username, password.text()),
        other @ (Key::Identity(_) | Key::Bearer(_)) => panic!("{other:?}"),
    }
}

/// What ECR says, with `AWS:pw`.
fn ecr() -> String {
    let token = STANDARD.encode("AWS:pw");
    format!(
        r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":4102444800.5}}]}}"#
    )
}

#[test]
fn each_cloud_is_asked_for_its_own_registries_only() {
    for (host, owner) in [
        (ECR, Some(Cloud::Amazon)),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", Some(Cloud::Amazon)),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", Some(Cloud::Amazon)),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", Some(Cloud::Amazon)),
        ("public.ecr.aws", Some(Cloud::Amazon)),
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example", None),
        ("123456789012.dkr.ecr.evil.example/.amazonaws.com", None),
        ("12345.dkr.ecr.eu-central-1.amazonaws.com", None),
        ("gcr.io", Some(Cloud::Google)),
        ("eu.gcr.io", Some(Cloud::Google)),
        ("europe-west3-docker.pkg.dev", Some(Cloud::Google)),
        ("evilgcr.io", None),
        ("evil.pkg.dev", None),
        ("mine.azurecr.io", Some(Cloud::Azure)),
        ("azurecr.io", None),
        ("mine.azurecr.io.evil.example", None),
        ("mine.azurecr.io:5000", None),
        ("ghcr.io", None),
        ("r.example", None),
    ] {
        let found = [Cloud::Amazon, Cloud::Google, Cloud::Azure].into_iter().find(|c| c.owns(host));
        assert_eq!(found, owner, "{host}");
    }
}

#[test]
fn apis_of_ecr_are_those_of_the_registry_s_region() {
    let api = |host: &str| amazon::Registry::of(host).map(|registry| registry.api().to_owned());
    for (host, expected) in [
        (ECR, "https://api.ecr.eu-central-1.amazonaws.com"),
        (
            "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            "https://ecr-fips.us-gov-west-1.amazonaws.com",
        ),
        (
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "https://api.ecr.cn-north-1.amazonaws.com.cn",
        ),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "https://ecr.eu-west-1.api.aws"),
        ("public.ecr.aws", "https://api.ecr-public.us-east-1.amazonaws.com"),
    ] {
        assert_eq!(api(host).as_deref(), Some(expected), "{host}");
    }
}

#[tokio::test]
async fn a_key_of_the_environment_buys_a_password_of_ecr_once() {
    let double = Double::start(&[("POST / ", 200, &ecr())]);
    let clouds = double.clouds(&[
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hidden"),
        ("AWS_SESSION_TOKEN", "session"),
    ]);
    for _ in 0..3 {
        assert_eq!(basic(&clouds.get(Cloud::Amazon, ECR).await.unwrap()), ("AWS", "pw"));
    }
    let asked = double.asked();
    assert_eq!(asked.len(), 1, "{asked:#?}");
    for words in [
        "x-amz-target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken\r\n",
        "x-amz-security-token: session\r\n",
        "authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/",
        "/eu-central-1/ecr/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=",
    ] {
        assert!(asked[0].contains(words), "{words}: {}", asked[0]);
    }
    assert!(!asked[0].contains("hidden"));
}

#[tokio::test]
async fn a_service_account_of_a_cluster_takes_its_role_first() {
    let double = Double::start(&[
        (
            "POST / HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded",
            200,
            "<R><Credentials><AccessKeyId>ASIATEMP</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t==</SessionToken></Credentials></R>",
        ),
        ("POST / ", 200, &ecr()),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "jwt\n").unwrap();
    let clouds = double.clouds(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r"),
    ]);
    assert_eq!(basic(&clouds.get(Cloud::Amazon, ECR).await.unwrap()), ("AWS", "pw"));
    let asked = double.asked();
    assert!(asked[0].ends_with(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/r&RoleSessionName=sigward&WebIdentityToken=jwt"
    ), "{}", asked[0]);
    assert!(
        asked[1].contains("Credential=ASIATEMP/") && asked[1].contains("x-amz-security-token: t=="),
        "{}",
        asked[1]
    );
}

#[tokio::test]
async fn an_instance_is_asked_with_a_session() {
    const TEMPORARY: &str = r#"{"Code":"Success","AccessKeyId":"ASIAINSTANCE","SecretAccessKey":"s","Token":"t","Expiration":"2100-01-01T00:00:00Z"}"#;
    let double = Double::start(&[
        ("PUT /latest/api/token ", 200, "sesame"),
        ("GET /latest/meta-data/iam/security-credentials/ ", 200, "the-role\n"),
        ("GET /latest/meta-data/iam/security-credentials/the-role ", 200, TEMPORARY),
        ("POST / ", 200, &ecr()),
    ]);
    assert_eq!(basic(&double.clouds(&[]).get(Cloud::Amazon, ECR).await.unwrap()), ("AWS", "pw"));
    let asked = double.asked();
    assert!(asked[0].contains("x-aws-ec2-metadata-token-ttl-seconds: 300"));
    assert!(asked[1..3].iter().all(|one| one.contains("x-aws-ec2-metadata-token: sesame")));
    assert!(asked[3].contains("Credential=ASIAINSTANCE/"));
    // A container has an agent of its own.
    let double =
        Double::start(&[("GET /v2/credentials/x ", 200, TEMPORARY), ("POST / ", 200, &ecr())]);
    let clouds = double.clouds(&[
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "agent"),
    ]);
    clouds.get(Cloud::Amazon, ECR).await.unwrap();
    assert!(double.asked()[0].contains("authorization: agent"));
}

#[tokio::test]
async fn an_agent_is_on_this_machine_or_at_an_address_of_aws() {
    let double = Double::start(&[]);
    for url in ["http://evil.example/x", "https://evil.example/x", "http://169.254.169.254/x", "x"]
    {
        let clouds = double.clouds(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]);
        let why = clouds.get(Cloud::Amazon, ECR).await.unwrap_err();
        assert!(why.starts_with("AWS_CONTAINER_CREDENTIALS_FULL_URI "), "{url}: {why}");
    }
    assert!(double.asked().is_empty());
}

#[tokio::test]
async fn google_s_metadata_server_gives_the_token() {
    let double = Double::start(&[(
        "GET /computeMetadata/v1/instance/service-accounts/default/token?",
        200,
        r#"{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}"#,
    )]);
    let key = double.clouds(&[]).get(Cloud::Google, "eu.gcr.io").await.unwrap();
    assert_eq!(basic(&key), ("oauth2accesstoken", "ya29.x"));
    assert!(double.asked()[0].contains("metadata-flavor: Google\r\n"));
}

#[tokio::test]
async fn an_account_s_file_signs_for_its_token() {
    let double =
        Double::start(&[("POST /token ", 200, r#"{"access_token":"ya29.y","expires_in":3599}"#)]);
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let der = STANDARD.encode(pair.as_der().unwrap().as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("account.json");
    let account = serde_json::json!({
        "type": "service_account", "client_email": "me@p.iam.gserviceaccount.com",
        "private_key": pem, "private_key_id": "k1", "token_uri": "https://evil.example/token",
    });
    std::fs::write(&path, account.to_string()).unwrap();
    let clouds = double.clouds(&[("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap())]);
    let key = clouds.get(Cloud::Google, "gcr.io").await.unwrap();
    assert_eq!(basic(&key), ("oauth2accesstoken", "ya29.y"));
    let asked = double.asked().remove(0);
    let (_, jwt) = asked.rsplit_once("assertion=").unwrap();
    let (text, signature) = jwt.rsplit_once('.').unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
        .verify(text.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
        .unwrap();
    let claims = URL_SAFE_NO_PAD.decode(text.split_once('.').unwrap().1).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["iss"], "me@p.iam.gserviceaccount.com");
    assert_eq!(claims["aud"], "https://oauth2.googleapis.com/token");
    // What another program would have to do is said.
    std::fs::write(&path, r#"{"type":"external_account"}"#).unwrap();
    let clouds = double.clouds(&[("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap())]);
    let why = clouds.get(Cloud::Google, "gcr.io").await.unwrap_err();
    assert!(why.contains("external_account") && why.contains("account.json"), "{why}");
}

#[tokio::test]
async fn an_identity_of_azure_is_exchanged_at_the_registry() {
    let double = Double::start(&[
        ("POST /tenant/oauth2/v2.0/token ", 200, r#"{"access_token":"entra"}"#),
        ("GET /metadata/identity/oauth2/token?", 200, r#"{"access_token":"managed"}"#),
        ("POST /oauth2/exchange ", 200, r#"{"refresh_token":"refresh"}"#),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "federated").unwrap();
    let workload = double.clouds(&[
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_FEDERATED_TOKEN_FILE", token.to_str().unwrap()),
    ]);
    let expected = Key::Identity(Secret::new("refresh"));
    assert_eq!(workload.get(Cloud::Azure, "mine.azurecr.io").await.unwrap(), expected);
    let managed = double.clouds(&[]);
    assert_eq!(managed.get(Cloud::Azure, "mine.azurecr.io").await.unwrap(), expected);
    let asked = double.asked();
    assert!(asked[0].contains("client_assertion=federated"), "{}", asked[0]);
    assert!(
        asked[1].ends_with(
            "grant_type=access_token&service=mine.azurecr.io&access_token=entra&tenant=tenant"
        ),
        "{}",
        asked[1]
    );
    assert!(asked[2].contains("metadata: true\r\n"), "{}", asked[2]);
    assert!(asked[3].ends_with("&access_token=managed"), "{}", asked[3]);
}

#[tokio::test]
async fn a_cloud_that_gives_nothing_says_why_and_is_left_alone_for_a_while() {
    let double = Double::start(&[("GET /computeMetadata", 403, "no scope")]);
    let clouds = double.clouds(&[]);
    for _ in 0..3 {
        let why = clouds.get(Cloud::Google, "gcr.io").await.unwrap_err();
        assert!(why.contains("access denied (403)"), "{why}");
    }
    assert_eq!(double.asked().len(), 1);
    let clouds = double.clouds(&[("AWS_EC2_METADATA_DISABLED", "true")]);
    let why = clouds.get(Cloud::Amazon, ECR).await.unwrap_err();
    assert_eq!(
        why,
        "no credentials of Amazon were found: no key in the environment, and the metadata service is switched off"
    );
    let double = Double::start(&[("POST / ", 200, "{\"secret\":\"hunter2\"}")]);
    let clouds = double.clouds(&[("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")]);
    let why = clouds.get(Cloud::Amazon, ECR).await.unwrap_err();
    assert_eq!(why, "ECR gave a malformed answer");
}

#[tokio::test]
async fn what_proves_who_we_are_follows_no_redirect_to_another_host() {
    let other = Double::start(&[("POST /token ", 200, r#"{"access_token":"x"}"#)]);
    let double = Double::start(&[("POST /token ", 307, &format!("{}/token", other.url))]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("user.json");
    std::fs::write(
        &path,
        r#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}"#,
    )
    .unwrap();
    let clouds = double.clouds(&[("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap())]);
    let why = clouds.get(Cloud::Google, "gcr.io").await.unwrap_err();
    assert!(why.contains("carry a credential to another host"), "{why}");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn helpers_of_clouds_keep_away_from_other_registries() {
    let options = Options::default();
    let helpers = crate::credentials::tests::helpers(&options);
    let access = Access {
        helpers: ["amazon", "google", "azure", "nobody"].map(SmolStr::from).to_vec(),
        ..Access::default()
    };
    let location = Location { host: "r.example".into(), path: "a".into() };
    let found = helpers.find(&NoSecrets, &access, &location).await.unwrap();
    assert!(found.list.is_empty());
    assert_eq!(found.notes, ["there is no credential helper nobody"]);
}

#[test]
fn what_the_environment_says_is_not_printed() {
    let environment = CloudEnvironment::read(|name| {
        (name == "AWS_SECRET_ACCESS_KEY").then(|| OsString::from("hunter2"))
    });
    assert_eq!(format!("{environment:?}"), r#"{"AWS_SECRET_ACCESS_KEY"}"#);
}

#[test]
fn a_credential_is_not_used_to_its_last_moment() {
    assert_eq!(usable(Duration::from_hours(1)), Duration::from_mins(55));
    assert_eq!(usable(Duration::from_secs(10)), Duration::from_secs(8));
    assert_eq!(usable(Duration::from_hours(12)), LONGEST);
    assert_eq!(usable(Duration::ZERO), Duration::ZERO);
}
