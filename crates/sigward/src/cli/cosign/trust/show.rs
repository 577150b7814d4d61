//! `trust show`: what a trusted root holds, for people or machines.
use crate::cli::cosign::{Failure, Output, pflag, time};
use clap::Args;
use serde_json::{Value, json};
use sigward_sigstore::{
    requirement::Timestamp,
    trust::{CertificateAuthority, TransparencyLog, TrustedRoot, Validity},
};
use std::{fmt::Write as _, path::PathBuf};

/// Show what a trusted root holds.
#[derive(Args, Clone, Debug)]
pub(crate) struct Show {
    /// the trusted root; the one that verification takes when absent
    #[arg(value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// output format (text|json)
    #[arg(long, short = 'o', default_value = "text")]
    pub(crate) output: String,
}

/// One line for each authority and log.
pub(super) fn run(output: &mut Output, it: &Show) -> Result<(), Failure> {
    let root = match it.file.as_slice() {
        [] => super::material(super::Named::default())?,
        files => super::read(pflag::exactly_one(files)?)?,
    };
    for left_out in root.unsupported() {
        output.say(&format!(
            "WARNING: {left_out} has an algorithm that is not known and verifies nothing"
        ));
    }
    match it.output.as_str() {
        "text" => lines(&root).iter().try_for_each(|line| output.line(line)),
        "json" => output.line(&json(&root).to_string()),
        other => Err(Failure::new(format!("invalid output format {other:?}: text or json"))),
    }
}

/// Everything in a trusted root, one sentence each, in the order of the file.
pub(super) fn lines(root: &TrustedRoot) -> Vec<String> {
    let mut lines = vec![format!("id: {}", hex(&root.id().0))];
    let parts = root.parts();
    for (kind, authorities) in [
        ("certificate authority", &parts.certificate_authorities),
        ("timestamp authority", &parts.timestamp_authorities),
    ] {
        lines.extend(authorities.iter().map(|it| {
            let (organization, name) = &it.subject;
            format!(
                "{kind}: {} ({organization}, {name}), {} certificates, root {}, {}",
                it.uri,
                it.chain.len(),
                root_fingerprint(it),
                period(it.valid_for)
            )
        }));
    }
    for (kind, logs) in [("transparency log", &parts.tlogs), ("certificate log", &parts.ctlogs)] {
        lines.extend(logs.iter().map(|it| {
            format!(
                "{kind}: {} ({}), id {}, {}",
                it.base_url,
                it.key_details,
                hex(&it.log_id),
                period(it.valid_for)
            )
        }));
    }
    lines
}

fn json(root: &TrustedRoot) -> Value {
    let parts = root.parts();
    let authorities = |list: &[CertificateAuthority]| -> Vec<Value> {
        let one = |it: &CertificateAuthority| {
            json!({
                "uri": it.uri,
                "organization": it.subject.0,
                "commonName": it.subject.1,
                "certificates": it.chain.len(),
                "root": root_fingerprint(it),
                "start": text(it.valid_for.start),
                "end": text(it.valid_for.end),
            })
        };
        list.iter().map(one).collect()
    };
    let logs = |list: &[TransparencyLog]| -> Vec<Value> {
        let one = |it: &TransparencyLog| {
            json!({
                "url": it.base_url,
                "keyDetails": it.key_details,
                "id": hex(&it.log_id),
                "start": text(it.valid_for.start),
                "end": text(it.valid_for.end),
            })
        };
        list.iter().map(one).collect()
    };
    json!({
        "id": hex(&root.id().0),
        "certificateAuthorities": authorities(&parts.certificate_authorities),
        "timestampAuthorities": authorities(&parts.timestamp_authorities),
        "transparencyLogs": logs(&parts.tlogs),
        "certificateLogs": logs(&parts.ctlogs),
    })
}

/// SHA-256 over the last certificate of the chain.
fn root_fingerprint(authority: &CertificateAuthority) -> String {
    let last = authority.chain.last().map(|certificate| {
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, certificate.as_der())
    });
    last.map(|hash| hex(hash.as_ref())).unwrap_or_default()
}

fn period(validity: Validity) -> String {
    let side = |time| text(time).unwrap_or_else(|| "…".to_owned());
    format!("{} to {}", side(validity.start), side(validity.end))
}

fn text(time: Option<Timestamp>) -> Option<String> {
    time.and_then(|time| time::rfc3339(time.0))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _written = write!(text, "{byte:02x}");
        text
    })
}
