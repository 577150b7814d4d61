//! The flags and variables that say how registries are spoken to, for each command that speaks to one.
use crate::stage::{IGNORE_LOG, NO_LOG, REPOSITORY, Ran, Stage, finish};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sigward_testkit::registry::{Auth, Options, Tls};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Each command that speaks to a registry, without the image.
const COMMANDS: [&[&str]; 6] = [
    &["sign", "--key", "k.key", NO_LOG],
    &["attest", "--key", "k.key", NO_LOG, "--predicate", "p.json"],
    &["verify", "--key", "k.pub", IGNORE_LOG],
    &["verify-attestation", "--key", "k.pub", IGNORE_LOG],
    &["tree"],
    &["triangulate"],
];

fn stage(options: Options) -> (Stage, String) {
    let stage = Stage::with(options);
    stage.write("p.json", "{}");
    let image = stage.image("v1");
    (stage, image)
}

/// Runs every command with the flags: those that sign come first, so that the others find something.
fn each(stage: &Stage, image: &str, flags: &[&str], check: impl Fn(Ran)) {
    for command in COMMANDS {
        check(stage.run(&[command, flags, &[image]].concat()));
    }
}

#[test]
fn a_name_and_a_password_log_in() {
    let (stage, image) = stage(Options { auth: Auth::basic("me", "secret"), ..Options::default() });
    let none = |ran: Ran| drop(ran.fails(1, "access denied (401)"));
    each(&stage, &image, &[], none);
    each(&stage, &image, &["--registry-username=me", "--registry-password=wrong"], none);
    let right = ["--registry-username=me", "--registry-password=secret"];
    each(&stage, &image, &right, |ran| {
        let ran = ran.ok();
        assert!(!ran.err.contains("secret") && !ran.out.contains("secret"), "{ran:?}");
    });
    let half = |ran: Ran| drop(ran.fails(1, "must be given together"));
    each(&stage, &image, &["--registry-username=me"], half);
    each(&stage, &image, &["--registry-password=secret"], half);
}

#[test]
fn a_token_logs_in() {
    let (stage, image) =
        stage(Options { auth: Auth::bearer("me", "secret"), ..Options::default() });
    each(&stage, &image, &[], |ran| drop(ran.fails(1, "access denied")));
    each(&stage, &image, &["--registry-token=none"], |ran| drop(ran.fails(1, "access denied")));
    let both = ["--registry-token=none", "--registry-username=me"];
    each(&stage, &image, &both, |ran| drop(ran.fails(1, "--registry-token cannot be used with")));
    let token = format!("--registry-token={}", token(&stage));
    each(&stage, &image, &[&token], |ran| drop(ran.ok()));
}

/// A token for everything in the repository, bought as a client buys one.
fn token(stage: &Stage) -> String {
    let ask = |path: &str, header: &str| {
        let mut connection = TcpStream::connect(stage.registry.address()).unwrap();
        let host = stage.registry.host();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{header}\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    };
    let challenge = ask("/v2/", "");
    let between = |text: &str, before: &str| {
        let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
        rest.split_once('"').unwrap().0.to_owned()
    };
    let realm = between(&challenge, "realm=\"");
    let service = between(&challenge, "service=\"");
    let path = realm.strip_prefix(&stage.registry.url()).unwrap();
    let path = format!("{path}?service={service}&scope=repository:{REPOSITORY}:pull,push");
    let login = STANDARD.encode("me:secret");
    between(&ask(&path, &format!("authorization: Basic {login}\r\n")), "\"token\":\"")
}

#[test]
fn a_login_is_found_by_later_commands() {
    let (stage, image) = stage(Options { auth: Auth::basic("me", "secret"), ..Options::default() });
    let host = stage.registry.host();
    let login = stage.run(&["login", "-u", "me", "-p", "secret", &host]).ok();
    assert!(login.err.contains("logged in via "), "{}", login.err);
    assert!(login.err.contains(".docker/config.json"), "{}", login.err);
    each(&stage, &image, &[], |ran| drop(ran.ok()));
}

#[test]
fn an_unknown_authority_is_trusted_when_it_is_given() {
    let (stage, image) = stage(Options { tls: Tls::Server, ..Options::default() });
    stage.write("ca.pem", stage.registry.ca_pem().unwrap());
    each(&stage, &image, &[], |ran| drop(ran.fails(1, "TLS handshake failed")));
    each(&stage, &image, &["--registry-cacert=ca.pem"], |ran| drop(ran.ok()));
    each(&stage, &image, &["--registry-cacert=none.pem"], |ran| {
        drop(ran.fails(1, "open none.pem: no such file or directory"));
    });
    each(&stage, &image, &["--allow-insecure-registry"], |ran| drop(ran.ok()));
    each(&stage, &image, &["--allow-insecure-registry=false"], |ran| {
        drop(ran.fails(1, "TLS handshake failed"));
    });
}

#[test]
fn the_certificate_can_carry_another_name() {
    let (stage, image) = stage(Options { tls: Tls::Server, ..Options::default() });
    stage.write("ca.pem", stage.registry.ca_pem().unwrap());
    let with = |name: &str| [name, "--registry-cacert=ca.pem"].map(str::to_owned);
    let right = with("--registry-server-name=localhost");
    each(&stage, &image, &right.each_ref().map(String::as_str), |ran| drop(ran.ok()));
    let wrong = with("--registry-server-name=elsewhere.test");
    each(&stage, &image, &wrong.each_ref().map(String::as_str), |ran| {
        drop(ran.fails(1, "TLS handshake failed"));
    });
}

#[test]
fn a_client_certificate_is_shown() {
    let (stage, image) = stage(Options { tls: Tls::Mutual, ..Options::default() });
    let identity = stage.registry.client_identity("me").unwrap().unwrap();
    stage.write("ca.pem", stage.registry.ca_pem().unwrap());
    stage.write("c.pem", identity.certificate_pem);
    stage.write("c.key", identity.key_pem);
    let flags =
        ["--registry-cacert=ca.pem", "--registry-client-cert=c.pem", "--registry-client-key=c.key"];
    each(&stage, &image, &flags, |ran| drop(ran.ok()));
    each(&stage, &image, &flags[..1], |ran| assert_eq!(ran.code, 1, "{ran:?}"));
    each(&stage, &image, &flags[..2], |ran| drop(ran.fails(1, "must be given together")));
    each(&stage, &image, &[flags[0], flags[2]], |ran| drop(ran.fails(1, "must be given together")));
}

/// A proxy for TLS behind which nobody speaks TLS; ends when dropped.
struct Wall {
    address: SocketAddr,
    gone: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wall {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gone = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&gone);
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let mut connection = connection.unwrap();
                connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                let mut greeting = [0; 4096];
                for answer in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n"] {
                    if connection.read(&mut greeting).is_ok() {
                        let _gone = connection.write_all(answer.as_bytes());
                    }
                }
            }
        });
        Self { address, gone, thread: Some(thread) }
    }
}

impl Drop for Wall {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

#[test]
fn plain_http_is_used_when_allowed() {
    // A name that is not loopback: its plain side is the registry, reached as a proxy, and it speaks no TLS.
    let (stage, _) = stage(Options::default());
    let (plain, wall) = (stage.registry.url(), Wall::new());
    let run = |command: &[&str], more: &[&str]| {
        let line = [command, more, &["registry.test/shop/web:v1"]].concat();
        let mut command = stage.command(&line);
        command.env("http_proxy", &plain).env("https_proxy", format!("http://{}", wall.address));
        finish(command)
    };
    for command in COMMANDS {
        for no in [&[][..], &["--allow-http-registry=false"]] {
            run(command, no).fails(1, "TLS handshake failed");
        }
        run(command, &["--allow-http-registry"]).ok();
    }
}

#[test]
fn attachments_larger_than_the_limit_are_not_read() {
    let (stage, image) = stage(Options::default());
    stage.sign(&image, &[]).ok();
    let line = ["verify", "--key", "k.pub", IGNORE_LOG, &image];
    stage
        .run_with(&[("COSIGN_MAX_ATTACHMENT_SIZE", "100")], &line)
        .fails(1, "could not be determined");
    stage.run_with(&[("COSIGN_MAX_ATTACHMENT_SIZE", "1MiB")], &line).ok();
    stage
        .run_with(&[("COSIGN_MAX_ATTACHMENT_SIZE", "much")], &line)
        .fails(1, "COSIGN_MAX_ATTACHMENT_SIZE");
}
