//! Logging in: in a browser that comes back to this machine, or on another device.
use super::identity::Claims;
use crate::cli::cosign::{Failure, Output};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sigward_remote::{OidcClient, Secret, Services};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Longest request of a browser that is read, in bytes.
const MAX_REQUEST: usize = 16 << 10;
/// How long a connection may take to say what it wants: browsers open some that they never use.
const PATIENCE: Duration = Duration::from_secs(2);

/// 256 bits that nobody guesses, fit for a URL.
fn random() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// SPEC: RFC 7636 section 4.2: `S256`.
fn challenge(verifier: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    URL_SAFE_NO_PAD.encode(hash)
}

/// Has the user log in with a browser, which brings a code to a port of this machine.
///
/// SPEC: RFC 8252 section 7.3: loopback redirection; RFC 7636: the code is worth nothing without the verifier.
///
/// # Errors
/// The provider cannot be reached or says no, or the port is taken.
pub(super) async fn log_in(
    output: &Output,
    services: &Services,
    issuer: &str,
    client: &OidcClient,
    redirect: Option<&str>,
) -> Result<Secret, Failure> {
    let provider = services.provider(issuer).await?;
    let (listener, redirect) = if let Some(given) = redirect {
        (TcpListener::bind(authority(given)?).await?, given.to_owned())
    } else {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        (listener, format!("http://localhost:{port}/auth/callback"))
    };
    let (state, nonce, verifier) = (random()?, random()?, random()?);
    let url = provider.login_url(client, &redirect, &state, &nonce, &challenge(&verifier));
    output.say(&format!("Open this address in a browser to log in:\n{url}"));
    let code = wait(&listener, &state).await?;
    let token = services.exchange_code(&provider, client, (&code, &verifier), &redirect).await?;
    if Claims::of(&token)?.nonce != nonce {
        return Err(Failure::new("the identity token is of another login (its nonce differs)"));
    }
    Ok(token)
}

/// Host and port of a redirect, which has to lead to this machine.
fn authority(url: &str) -> Result<String, Failure> {
    let wrong = || {
        Failure::new(format!(
            "--oidc-redirect-url {url}: needs http://localhost:PORT/… of this machine"
        ))
    };
    let rest = url.strip_prefix("http://").ok_or_else(wrong)?;
    let host = rest.split('/').next().unwrap_or_default();
    let (name, port) = host.rsplit_once(':').ok_or_else(wrong)?;
    let own = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    port.parse::<u16>().ok().filter(|_| own).ok_or_else(wrong)?;
    Ok(host.replace("localhost", "127.0.0.1"))
}

/// The code that the browser brings; whoever comes without the right state is sent away.
async fn wait(listener: &TcpListener, state: &str) -> Result<String, Failure> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let Ok(Some(query)) = timeout(PATIENCE, request(&mut stream)).await else { continue };
        let get = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == name).and_then(|(_, value)| decoded(value))
        };
        if get("state").as_deref() != Some(state) {
            answer(&mut stream, "400 Bad Request", "This is not the login that is waited for.")
                .await;
            continue;
        }
        if let Some(code) = get("code") {
            answer(&mut stream, "200 OK", "Logged in. This window can be closed.").await;
            return Ok(code);
        }
        answer(&mut stream, "200 OK", "Not logged in. This window can be closed.").await;
        let why = get("error").unwrap_or_else(|| "no reason given".to_owned());
        return Err(Failure::new(format!("the identity provider said no: {}", why.escape_debug())));
    }
}

/// The query of a GET; nothing for what is none.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_REQUEST && !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            break;
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let target = text.strip_prefix("GET ")?.split(' ').next()?;
    target.split_once('?').map(|(_, query)| query.to_owned())
}

/// A value of a query as it was before it was encoded; nothing for what was not encoded soundly.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = value.bytes();
    let mut plain = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(plain).ok()
}

async fn answer(stream: &mut TcpStream, status: &str, words: &str) {
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{words}",
        words.len()
    );
    // A browser that has left already has got what it came for.
    let _left = stream.write_all(text.as_bytes()).await;
    let _left = stream.shutdown().await;
}

/// Has the user log in on another device.
///
/// SPEC: RFC 8628.
///
/// # Errors
/// The provider cannot be reached, or the user says no or is too slow.
pub(super) async fn log_in_elsewhere(
    output: &Output,
    services: &Services,
    issuer: &str,
    client: &OidcClient,
) -> Result<Secret, Failure> {
    let provider = services.provider(issuer).await?;
    let verifier = random()?;
    let login = services.begin_device_login(&provider, client, &challenge(&verifier)).await?;
    let url = login.verification_uri_complete.as_ref().unwrap_or(&login.verification_uri);
    output
        .say(&format!("Enter the verification code {} in your browser at: {url}", login.user_code));
    output.say(&format!("Code will be valid for {} seconds", login.expires_in));
    Ok(services.finish_device_login(&provider, client, &login, &verifier).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_to_this_machine() {
        assert_eq!(authority("http://localhost:81/auth").unwrap(), "127.0.0.1:81");
        for url in ["https://localhost:1/", "http://evil.test:1/", "http://localhost/", "x"] {
            authority(url).unwrap_err();
        }
    }

    #[test]
    fn a_code_is_what_the_provider_meant() {
        for (written, expected) in [
            ("abc", Some("abc")),
            ("4%2F0Ab-c", Some("4/0Ab-c")),
            ("a+b%20c", Some("a b c")),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%ff", None),
        ] {
            assert_eq!(decoded(written).as_deref(), expected, "{written}");
        }
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_keeps_nobody_waiting() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let _idle = TcpStream::connect(address).await.unwrap();
        let browser = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = b"GET /auth/callback?state=s&code=4%2Fc HTTP/1.1\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (code, answer) = tokio::join!(wait(&listener, "s"), browser);
        assert_eq!(code.unwrap(), "4/c");
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }

    #[test]
    fn the_challenge_is_that_of_the_specification() {
        // SPEC: RFC 7636 appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
