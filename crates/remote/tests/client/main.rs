//! The registry client against the test registry, and against Debian's when it is named: what it
//! asks, what it makes of answers, and what it makes of every fault.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used, reason = "test code")]
mod auth;
mod faults;
mod flights;
mod guards;
mod proofs;
mod pull;
mod push;
mod services;

use bytes::Bytes;
use http::Method;
use sigward_oci::{Access, Digest, DigestReference, TagReference};
use sigward_remote::{NoSecrets, Options, Proxies, Registry, Times, Unobserved};
use sigward_testkit::{
    image,
    registry::{Class, Options as KitOptions, Registry as Kit},
};
use std::{sync::Arc, time::Duration};

/// A registry with one image `app:v1`, and a client with little patience.
struct Bench {
    kit: Kit,
    client: Registry,
    digest: Digest,
}

/// Times that make faults end soon, but not because the machine is busy.
fn hasty() -> Options {
    Options {
        proxies: Proxies::Direct,
        times: Times {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(5),
            idle: Duration::from_secs(5),
            work: Duration::from_secs(20),
            backoff: Duration::from_millis(5),
            longest_pause: Duration::from_secs(2),
            breaker: Duration::from_millis(200),
            ..Times::default()
        },
        ..Options::default()
    }
}

/// The same for faults that give no answer at all.
fn impatient() -> Options {
    let options = hasty();
    let brief = Duration::from_millis(300);
    Options { times: Times { answer: brief, idle: brief, ..options.times }, ..options }
}

fn client(options: Options) -> Registry {
    Registry::new(options, Arc::new(NoSecrets), Arc::new(Unobserved)).unwrap()
}

impl Bench {
    fn new() -> Self {
        Self::with(KitOptions::default(), hasty())
    }

    fn with(kit: KitOptions, options: Options) -> Self {
        let kit = Kit::start(kit).unwrap();
        let digest = image::build(1).push(&kit, "app", "v1");
        kit.reset_log();
        Self { kit, client: client(options), digest: Digest::parse(&digest).unwrap() }
    }

    fn repository(&self) -> String {
        format!("{}/app", self.kit.host())
    }

    fn tag(&self, tag: &str) -> TagReference {
        TagReference { repository: self.repository().into(), tag: tag.into() }
    }

    fn image(&self) -> DigestReference {
        self.reference(self.digest.as_str())
    }

    fn reference(&self, digest: &str) -> DigestReference {
        let digest = Digest::parse(digest).unwrap();
        DigestReference { repository: self.repository().into(), digest }
    }

    /// Stores a blob and names it.
    fn blob(&self, content: &[u8]) -> DigestReference {
        let digest = self.kit.put_blob("app", Bytes::copy_from_slice(content));
        self.reference(&digest)
    }

    fn asked(&self, method: &Method, class: Class) -> u64 {
        self.kit.count(method, class)
    }
}

fn anonymous() -> Access {
    Access::default()
}
