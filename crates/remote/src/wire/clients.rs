//! The HTTP client in its few variants: which addresses it may reach, and what it trusts.
use super::{
    guard::{self, Reach},
    tls::{self, TlsError},
};
use crate::options::{Options, Proxies};
use reqwest::{
    Client, NoProxy, Proxy,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use rustls::RootCertStore;
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Where a request may end up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Zone {
    /// This machine: never through a proxy.
    Loopback,
    /// A metadata service of a cloud, at an address that nobody else says: this link, never through a proxy.
    Metadata,
    /// A host that a user named: anything but this link.
    Named,
    /// A host that a private registry named: not this machine, not this link.
    Private,
    /// A host that somebody else's registry named: public addresses only.
    Public,
}

impl Zone {
    /// The nearest address that is allowed.
    const fn nearest(self) -> Reach {
        match self {
            Self::Loopback => Reach::Loopback,
            Self::Metadata => Reach::LinkLocal,
            // A named host may well be this machine under another name.
            Self::Named | Self::Private => Reach::Private,
            Self::Public => Reach::Public,
        }
    }

    /// Whether an address may be reached.
    pub(crate) fn allows(self, reach: Reach) -> bool {
        reach >= self.nearest() && (reach != Reach::LinkLocal || self == Self::Metadata)
            || (self == Self::Named && reach == Reach::Loopback)
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Variant {
    zone: Zone,
    secure: bool,
    /// The host whose own TLS settings apply; `None` for the common ones.
    host: Option<SmolStr>,
}

/// Makes each variant when it is first needed; all share certificate roots.
#[derive(Debug)]
pub(crate) struct Clients {
    made: Mutex<BTreeMap<Variant, Client>>,
    roots: Mutex<Option<Arc<RootCertStore>>>,
    /// With a proxy, names are resolved by it; the resolver then sees the proxy's own name.
    proxied: bool,
}

impl Clients {
    pub(crate) fn new(options: &Options) -> Self {
        let proxied = match &options.proxies {
            Proxies::Direct => false,
            Proxies::Explicit { http, https, .. } => http.is_some() || https.is_some(),
            Proxies::Environment => {
                ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
                    .iter()
                    .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
            }
        };
        Self { made: Mutex::default(), roots: Mutex::default(), proxied }
    }

    /// The client for a host.
    pub(crate) fn get(
        &self,
        options: &Options,
        host: &str,
        zone: Zone,
        secure: bool,
    ) -> Result<Client, TlsError> {
        let host = options.own(host).map(|(name, _)| name.clone());
        let variant = Variant { zone, secure, host };
        if let Some(client) = self.lock().get(&variant) {
            return Ok(client.clone());
        }
        let client = self.make(options, &variant)?;
        Ok(self.lock().entry(variant).or_insert(client).clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Variant, Client>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn roots(&self, options: &Options) -> Result<Arc<RootCertStore>, TlsError> {
        let mut roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(roots) = &*roots {
            return Ok(Arc::clone(roots));
        }
        let read = Arc::new(tls::roots(&options.extra_ca_pem)?);
        *roots = Some(Arc::clone(&read));
        Ok(read)
    }

    fn make(&self, options: &Options, variant: &Variant) -> Result<Client, TlsError> {
        let host = options.host(variant.host.as_deref().unwrap_or_default());
        let tls = if variant.secure {
            tls::config(self.roots(options)?, host)?
        } else {
            tls::unused_config()?
        };
        let mut builder = Client::builder()
            .user_agent(options.user_agent.as_str())
            // Redirects are followed by hand: credentials must not follow them.
            .redirect(Policy::none())
            // What is hashed are the bytes on the wire.
            .no_gzip()
            .referer(false)
            .connect_timeout(options.times.connect)
            .pool_idle_timeout(Duration::from_secs(90))
            .http2_max_header_list_size(options.caps.headers)
            .tls_backend_preconfigured(tls);
        builder = match (&options.proxies, variant.zone) {
            (_, Zone::Loopback | Zone::Metadata) | (Proxies::Direct, _) => builder.no_proxy(),
            (Proxies::Environment, _) => builder,
            (Proxies::Explicit { http, https, no_proxy }, _) => {
                let except = || no_proxy.as_deref().and_then(NoProxy::from_string);
                let mut builder = builder.no_proxy();
                if let Some(proxy) = http {
                    builder = builder.proxy(Proxy::http(proxy)?.no_proxy(except()));
                }
                if let Some(proxy) = https {
                    builder = builder.proxy(Proxy::https(proxy)?.no_proxy(except()));
                }
                builder
            }
        };
        if variant.zone != Zone::Loopback && !self.proxied {
            builder = builder.dns_resolver(GuardedResolver(variant.zone));
        }
        Ok(builder.build()?)
    }
}

/// Leaves addresses out that the zone does not allow. It sits in the connector itself, so that a
/// name cannot point elsewhere between a check and its use.
#[derive(Debug)]
struct GuardedResolver(Zone);

/// The error of a name whose addresses are all out of bounds.
#[derive(Debug, thiserror::Error)]
#[error("all addresses of the host are private or link-local")]
pub(crate) struct OutOfBounds;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let zone = self.0;
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let known = !found.is_empty();
            let allowed: Vec<_> =
                found.into_iter().filter(|at| zone.allows(guard::reach(at.ip()))).collect();
            if allowed.is_empty() && known {
                return Err(OutOfBounds.into());
            }
            if allowed.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The nearest address of a host, by literal or by name; `None` when it has none.
pub(crate) async fn nearest(host: &str, wait: Duration) -> Option<Reach> {
    if let Some(address) = guard::literal(host) {
        return Some(guard::reach(address));
    }
    let name = guard::host_name(host);
    let found = tokio::time::timeout(wait, tokio::net::lookup_host((name, 0))).await.ok()?.ok()?;
    found.map(|at| guard::reach(at.ip())).min()
}

#[cfg(test)]
mod tests {
    use crate::{NoSecrets, Options, Registry, Unobserved};
    use sigward_oci::{Access, TagReference};
    use sigward_testkit::registry::{Options as KitOptions, Registry as Kit, Tls};
    use std::sync::Arc;

    /// Whether the system's certificates were read after a question to such a registry.
    async fn reads_roots(tls: Tls) -> bool {
        let kit = Kit::start(KitOptions { tls, ..KitOptions::default() }).unwrap();
        let client =
            Registry::new(Options::default(), Arc::new(NoSecrets), Arc::new(Unobserved)).unwrap();
        let repository = format!("{}/app", kit.host()).into();
        let tag = TagReference { repository, tag: "v1".into() };
        let _ = client.resolve_tag(&tag, &Access::default()).await;
        client.inner.exchange.clients.roots.lock().unwrap().is_some()
    }

    #[tokio::test]
    async fn certificates_of_the_system_are_read_for_tls_only() {
        assert!(!reads_roots(Tls::Plain).await);
        assert!(reads_roots(Tls::Server).await);
    }
}
