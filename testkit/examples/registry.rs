//! A registry to talk to by hand: `cargo run -p sigward-testkit --example registry -- [--tls] [--no-referrers] [--port N]`.
//!
//! It holds `shop/web:v1` and the index `shop/web:multi`, prints its address, and ends with its standard input.
#![expect(clippy::print_stdout, reason = "an example for the command line")]

use std::error::Error;

use sigward_testkit::{
    image,
    registry::{Auth, Options, Registry, Tls},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let after = |name: &str| arguments.iter().skip_while(move |argument| *argument != name).nth(1);
    let auth = match (after("--basic"), after("--bearer")) {
        (Some(user), _) => Auth::basic(user, user),
        (_, Some(user)) => Auth::bearer(user, user),
        _ => Auth::Open,
    };
    let registry = Registry::start(Options {
        tls: if has("--tls") { Tls::Server } else { Tls::Plain },
        auth,
        referrers_api: !has("--no-referrers"),
        port: after("--port").map_or(Ok(0), |port| port.parse())?,
        ..Options::default()
    })?;
    image::build(1).push(&registry, "shop/web", "v1");
    image::Recipe::new(2).build_index(&["amd64", "arm64"]).push(&registry, "shop/web", "multi");
    println!("{}", registry.url());
    if let Some(authority) = registry.ca_pem() {
        println!("{authority}");
    }
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    for entry in registry.requests() {
        println!("{} {}?{} {:?}", entry.method, entry.path, entry.query, entry.status);
    }
    Ok(())
}
