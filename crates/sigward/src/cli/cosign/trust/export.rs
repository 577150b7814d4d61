//! `trust export`: trusted roots put together into one, or taken apart into PEM.
use crate::cli::cosign::{Failure, Output, keys};
use clap::Args;
use sigward_sigstore::{
    keys::Certificate,
    trust::{CertificateAuthority, TrustParts, TrustedRoot},
};
use std::path::{Path, PathBuf};

/// Write trusted roots as one file, or as PEM files for tools that know no trusted roots.
#[derive(Args, Clone, Debug)]
pub(crate) struct Export {
    /// the trusted roots
    #[arg(long)]
    pub(crate) from: Vec<PathBuf>,
    /// a folder for PEM files: fulcio-N.pem, tsa-N.pem, rekor-N.pub, ctfe-N.pub
    #[arg(long, conflicts_with = "out")]
    pub(crate) pem_dir: Option<PathBuf>,
    /// the file; standard output when absent
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}

/// Each authority and log once, in the order of the files.
pub(super) fn run(output: &mut Output, it: &Export) -> Result<(), Failure> {
    if it.from.is_empty() {
        return Err(Failure::new("required flag(s) \"from\" not set"));
    }
    let mut parts = TrustParts::default();
    for path in &it.from {
        let TrustParts { certificate_authorities, timestamp_authorities, tlogs, ctlogs } =
            super::read(path)?.parts().clone();
        join(&mut parts.certificate_authorities, certificate_authorities);
        join(&mut parts.timestamp_authorities, timestamp_authorities);
        join(&mut parts.tlogs, tlogs);
        join(&mut parts.ctlogs, ctlogs);
    }
    let root = TrustedRoot::new(parts)?;
    match &it.pem_dir {
        Some(folder) => pem(output, folder, root.parts()),
        None => super::write(output, it.out.as_ref(), &root.to_json()),
    }
}

fn join<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

fn pem(output: &Output, folder: &Path, parts: &TrustParts) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    let chain = |authority: &CertificateAuthority| -> String {
        authority.chain.iter().map(Certificate::to_pem).collect()
    };
    let mut files: Vec<(String, String)> = Vec::new();
    let authorities =
        [("fulcio", &parts.certificate_authorities), ("tsa", &parts.timestamp_authorities)];
    for (kind, list) in authorities {
        let named = list.iter().enumerate();
        files.extend(named.map(|(at, it)| (format!("{kind}-{at}.pem"), chain(it))));
    }
    for (kind, logs) in [("rekor", &parts.tlogs), ("ctfe", &parts.ctlogs)] {
        let named = logs.iter().enumerate();
        files.extend(named.map(|(at, it)| (format!("{kind}-{at}.pub"), it.key.to_pem())));
    }
    for (name, text) in files {
        let path = folder.join(name);
        keys::write_file(&path, text.as_bytes(), 0o644)?;
        output.say(&format!("Wrote {}", path.display()));
    }
    Ok(())
}
