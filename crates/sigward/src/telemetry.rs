//! What the process says of itself while it runs: log lines on standard error, spans to a collector.
//!
//! Spans go out by OTLP over gRPC, batched off the request path; what the collector cannot take is dropped.
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    SpanExporter, WithExportConfig as _, WithTonicConfig as _,
    tonic_types::transport::{Certificate, ClientTlsConfig},
};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use std::io::IsTerminal as _;
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where spans go.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    /// Host name or address.
    pub(crate) host: String,
    /// Port of OTLP over gRPC.
    pub(crate) port: u16,
    /// The CA of the collector's certificate (PEM); plain text when there is none, as in Kyverno.
    pub(crate) ca: Option<Vec<u8>>,
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The collector's address or certificate cannot be used.
    #[error("cannot send traces to {host}:{port}")]
    Collector {
        /// As it was given.
        host: String,
        /// As it was given.
        port: u16,
        /// The exporter's own words.
        #[source]
        source: opentelemetry_otlp::ExporterBuildError,
    },
    /// Something else in this process logs already.
    #[error("cannot start logging")]
    Taken(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends what is still queued when the process ends.
#[derive(Debug)]
pub(crate) struct Telemetry {
    spans: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Starts logging at this verbosity (Kyverno's numbers) and, where there is a collector, sending spans. Needs a
    /// runtime when there is one.
    ///
    /// # Errors
    /// [`TelemetryError`]
    pub(crate) fn start(
        verbosity: u8,
        format: LogFormat,
        collector: Option<&Collector>,
    ) -> Result<Self, TelemetryError> {
        let spans = collector.map(provider).transpose()?;
        let traced = spans.as_ref().map(|provider| {
            tracing_opentelemetry::layer().with_tracer(provider.tracer("sigward")).with_filter(
                Targets::new().with_target(sigward_server::TRACE, tracing::Level::DEBUG),
            )
        });
        tracing_subscriber::registry().with(traced).with(lines(verbosity, format)).try_init()?;
        Ok(Self { spans })
    }

    /// Waits for what is queued, a few seconds at most.
    pub(crate) fn finish(self) {
        if let Some(spans) = self.spans
            && let Err(error) = spans.shutdown()
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The layer that writes log lines.
fn lines<S>(verbosity: u8, format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'s> tracing_subscriber::registry::LookupSpan<'s> + Send + Sync,
{
    // 2 is the default and tells of what happens, 4 and more of each step.
    let level = match verbosity {
        0 => "warn",
        1..=3 => "info",
        4..=5 => "debug",
        _ => "trace",
    };
    // A watch that is refused or breaks off is told by readiness, not by a line for each attempt.
    let filter = EnvFilter::try_from_env("SIGWARD_LOG")
        .unwrap_or_else(|_unset| EnvFilter::new(format!("{level},kube_runtime::watcher=error")));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            layer.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed()
        }
        LogFormat::Json => layer.json().with_filter(filter).boxed(),
    }
}

fn provider(collector: &Collector) -> Result<SdkTracerProvider, TelemetryError> {
    let Collector { host, port, ca } = collector;
    let scheme = if ca.is_some() { "https" } else { "http" };
    let mut exporter =
        SpanExporter::builder().with_tonic().with_endpoint(format!("{scheme}://{host}:{port}"));
    if let Some(ca) = ca {
        exporter = exporter
            .with_tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)));
    }
    let exporter = exporter.build().map_err(|source| TelemetryError::Collector {
        host: host.clone(),
        port: *port,
        source,
    })?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("sigward").build())
        .build())
}
