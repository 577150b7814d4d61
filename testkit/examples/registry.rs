//! A registry to talk to by hand: `cargo run -p sigward-testkit --example registry -- [--tls] [--no-referrers] [--port N]
//! [--basic USER | --bearer USER] [--keys DIR]`; the password of the user is the user's name.
//!
//! It holds `shop/web:v1` and the index `shop/web:multi`, prints its address, and ends with its standard input, when it prints
//! what it was asked. With `--keys` it also holds `signed/ALGORITHM:{legacy,bundle}`, each signed and attested in that form with
//! the key whose public half it writes to `DIR/ALGORITHM.pub`.
#![expect(clippy::print_stdout, reason = "an example for the command line")]

use std::{error::Error, path::Path};

use sigward_testkit::{
    image,
    keys::{Algorithm, KeyPair},
    registry::{Auth, Options, Registry, Tls},
    signing::{Knobs, Place},
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
    if let Some(folder) = after("--keys") {
        sign(&registry, Path::new(folder))?;
    }
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

fn sign(registry: &Registry, folder: &Path) -> Result<(), Box<dyn Error>> {
    let (knobs, predicate_type) = (Knobs::default(), "https://example.test/predicate");
    let predicate = serde_json::json!({ "passed": true });
    let mut algorithms = Algorithm::QUICK.to_vec();
    algorithms.push(Algorithm::Rsa2048);
    for (seed, algorithm) in (10..).step_by(2).zip(algorithms) {
        let key = KeyPair::generate(algorithm)?;
        let name = format!("{algorithm:?}").to_lowercase();
        std::fs::write(folder.join(format!("{name}.pub")), key.public_pem())?;
        std::fs::write(folder.join(format!("{name}.pem")), key.private_pem())?;
        let repository = format!("signed/{name}");
        let place = |seed, tag| {
            image::build(seed).push(registry, &repository, tag);
            Place::of(registry, &repository, tag)
        };
        let legacy = place(seed, "legacy")?;
        legacy.sign_legacy(&key, &knobs)?;
        legacy.attest_legacy(&key, predicate_type, &predicate, &knobs)?;
        let bundle = place(seed + 1, "bundle")?;
        bundle.sign_bundle(&key, &knobs)?;
        bundle.attest_bundle(&key, predicate_type, &predicate, &knobs)?;
    }
    Ok(())
}
