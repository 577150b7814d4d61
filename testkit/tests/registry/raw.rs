//! A client that knows HTTP/1.1 only as far as these tests need it, so that nothing between them and the wire hides anything.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::{
    io,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// An answer: the body is whatever came before the connection ended.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Path and query of an address in a header.
    pub(crate) fn path(&self, header: &str) -> String {
        let value = self.header(header).unwrap();
        match value.split_once("://") {
            Some((_, rest)) => format!("/{}", rest.split_once('/').unwrap().1),
            None => value.to_owned(),
        }
    }

    /// The target of the `Link` header.
    pub(crate) fn next(&self) -> Option<String> {
        let link = self.header("link")?;
        Some(link.strip_prefix('<')?.split_once(">; rel=\"next\"")?.0.to_owned())
    }
}

pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    try_send(address, method, path, headers, body).unwrap()
}

pub(crate) fn try_send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    send_within(address, Duration::from_secs(20), method, path, headers, body)
}

pub(crate) fn send_within(
    address: SocketAddr,
    limit: Duration,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(limit))?;
    exchange(stream, &address.to_string(), method, path, headers, body)
}

/// Sends one request over an open stream and reads until it ends.
pub(crate) fn exchange(
    mut stream: impl io::Read + io::Write,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()?;
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        // TLS without a farewell, or a body that is cut off on purpose.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !bytes.is_empty() => {}
        Err(error) => return Err(error),
    }
    parse(&bytes).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn parse(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Some(Reply { status, headers, body: bytes.get(end + 4..)?.to_vec() })
}

/// The status of a `GET` over a fresh connection.
pub(crate) async fn get_async(address: SocketAddr, path: &'static str) -> Option<u16> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok()?;
    parse(&bytes).map(|reply| reply.status)
}
