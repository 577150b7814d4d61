//! Credentials that clouds give to workloads: for their own registries only, and remembered while they last.
//!
//! COMPAT: Kyverno 1.19's providers `amazon`, `google` and `azure`, and what stands behind cosign's `--k8s-keychain`.
mod amazon;
mod ask;
mod azure;
mod google;
pub(crate) mod sigv4;

use super::Key;
use crate::{
    error::FetchError,
    flight::{Flights, Progress},
    options::Secret,
    wire::exchange::Exchange,
};
use smol_str::{SmolStr, ToSmolStr};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long all questions for one credential may take together.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a cloud that gave nothing is left alone: a machine outside it must not wait for each request.
const SULK: Duration = Duration::from_secs(15);
/// Longest time that a credential is remembered, whatever it says of itself.
const LONGEST: Duration = Duration::from_hours(6);
/// Registries whose credentials are remembered.
const MOST: usize = 256;

/// What the environment says about clouds. `Default` knows nothing: then only metadata services are asked.
#[derive(Clone, Default)]
pub struct CloudEnvironment(BTreeMap<&'static str, Secret>);

/// The variables that are read, as the clouds' own programs read them.
const VARIABLES: [&str; 18] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TENANT_ID",
    "GOOGLE_APPLICATION_CREDENTIALS",
];

impl CloudEnvironment {
    /// Reads the variables now; `environment` looks one up.
    pub fn read(environment: impl Fn(&str) -> Option<OsString>) -> Self {
        let found = VARIABLES.into_iter().filter_map(|name| {
            let value = environment(name).filter(|value| !value.is_empty())?;
            Some((name, Secret::new(value.into_encoded_bytes())))
        });
        Self(found.collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::text).filter(|value| !value.is_empty())
    }

    fn secret(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }
}

impl fmt::Debug for CloudEnvironment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Where a cloud's services are. Only tests say something else than the clouds do.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Scheme and host of the metadata services, by cloud.
    amazon: String,
    amazon_container: String,
    google: String,
    azure: String,
    /// Stands in for scheme and host of every service that is not on this machine.
    services: Option<String>,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            amazon: "http://169.254.169.254".to_owned(),
            amazon_container: "http://169.254.170.2".to_owned(),
            google: "http://metadata.google.internal".to_owned(),
            azure: "http://169.254.169.254".to_owned(),
            services: None,
        }
    }
}

/// A cloud with a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cloud {
    /// ECR, private and public.
    Amazon,
    /// Artifact Registry and Container Registry.
    Google,
    /// Azure Container Registry.
    Azure,
}

impl Cloud {
    /// The cloud of a helper's name.
    pub(super) fn of(helper: &str) -> Option<Self> {
        match helper {
            "amazon" => Some(Self::Amazon),
            "google" => Some(Self::Google),
            "azure" => Some(Self::Azure),
            _ => None,
        }
    }

    /// Whether a registry is this cloud's own: no other host is ever shown its credentials.
    pub(super) fn owns(self, host: &str) -> bool {
        match self {
            Self::Amazon => amazon::Registry::of(host).is_some(),
            Self::Google => google::owns(host),
            Self::Azure => azure::owns(host),
        }
    }
}

/// Why a cloud gave no credential.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum CloudError {
    /// Nothing in the environment, and no metadata service.
    #[error("no credentials of {cloud} were found: {looked}")]
    Nothing { cloud: &'static str, looked: SmolStr },
    /// A service answered with an error, or not at all.
    #[error(transparent)]
    Asked(#[from] FetchError),
    /// A service answered, but not with what was asked for.
    #[error("{service} gave a malformed answer")]
    Answer { service: SmolStr },
    /// A file that the environment names.
    #[error("{path} cannot be used: {why}", path = .path.display())]
    File { path: PathBuf, why: SmolStr },
    /// A variable says something that is not followed.
    #[error("{variable} {why}")]
    Variable { variable: &'static str, why: &'static str },
    /// A key of a service account that cannot sign.
    #[error("the private key of the service account cannot be used")]
    Key,
}

/// A credential, and for how long it is good.
#[derive(Clone, Debug)]
pub(super) struct Given {
    key: Key,
    life: Duration,
}

type Question = (Cloud, SmolStr);
type Answered = Result<Key, SmolStr>;

/// Credentials that are remembered, and those that are being asked for.
#[derive(Debug)]
pub(crate) struct Clouds {
    exchange: Arc<Exchange>,
    places: Places,
    held: Mutex<BTreeMap<Question, (Answered, Instant)>>,
    flights: Flights<Question, Answered>,
}

impl Clouds {
    pub(crate) fn new(exchange: Arc<Exchange>, places: Places) -> Arc<Self> {
        Arc::new(Self { exchange, places, held: Mutex::default(), flights: Flights::default() })
    }

    /// The credential of a cloud for its own registry; `Err` says why there is none.
    pub(super) async fn get(self: &Arc<Self>, cloud: Cloud, host: &str) -> Answered {
        let question = (cloud, SmolStr::new(host));
        let known = self.lock().get(&question).cloned();
        if let Some((answer, until)) = known
            && Instant::now() < until
        {
            return answer;
        }
        let (arrival, _) = self.flights.join(question.clone(), |_| {
            let clouds = Arc::clone(self);
            async move {
                let given = clouds.ask(cloud, &question.1).await;
                let (answer, life) = match given {
                    Ok(given) => (Ok(given.key), usable(given.life)),
                    Err(error) => (Err(error.to_smolstr()), SULK),
                };
                let mut held = clouds.lock();
                if held.len() >= MOST {
                    held.clear();
                }
                held.insert(question, (answer.clone(), Instant::now() + life));
                answer
            }
        });
        arrival.wait().await.unwrap_or_else(|| Err("the question was given up".into()))
    }

    async fn ask(&self, cloud: Cloud, host: &str) -> Result<Given, CloudError> {
        let asking = ask::Asking {
            exchange: &self.exchange,
            environment: &self.exchange.options.clouds,
            places: &self.places,
            deadline: Instant::now() + LIMIT,
            progress: Progress::default(),
        };
        match cloud {
            Cloud::Amazon => amazon::get(&asking, host).await,
            Cloud::Google => google::get(&asking).await,
            Cloud::Azure => azure::get(&asking, host).await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Question, (Answered, Instant)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A credential is not used up to its last minutes: what is begun with it has to end.
fn usable(life: Duration) -> Duration {
    life.saturating_sub((life / 5).min(Duration::from_mins(5))).min(LONGEST)
}

#[cfg(test)]
mod tests;
