//! `version`: what this binary is.
use super::{Failure, Output, pflag::go_bool};
use clap::Args;

/// Prints the version.
#[derive(Args, Clone, Debug)]
pub(crate) struct Version {
    /// print JSON instead of text
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) json: bool,
}

/// Prints what this binary is; the first line of the text form is the name scripts look for.
pub(super) fn run(output: &mut Output, version: &Version) -> Result<(), Failure> {
    let platform = format!("{}/{}", go_os(), go_architecture());
    if version.json {
        let text = serde_json::json!({
            "gitVersion": concat!("v", env!("CARGO_PKG_VERSION")),
            "gitCommit": option_env!("SIGWARD_GIT_COMMIT").unwrap_or("unknown"),
            "gitTreeState": "unknown",
            "buildDate": option_env!("SIGWARD_BUILD_DATE").unwrap_or("unknown"),
            "compiler": "rustc",
            "platform": platform,
        });
        return output.line(&format!("{text:#}"));
    }
    output.line("sigward: a tool for container signing, verification and admission\n")?;
    output.line(concat!("GitVersion:    v", env!("CARGO_PKG_VERSION")))?;
    output.line(&format!(
        "GitCommit:     {}",
        option_env!("SIGWARD_GIT_COMMIT").unwrap_or("unknown")
    ))?;
    output.line(&format!(
        "BuildDate:     {}",
        option_env!("SIGWARD_BUILD_DATE").unwrap_or("unknown")
    ))?;
    output.line("Compiler:      rustc")?;
    output.line(&format!("Platform:      {platform}"))
}

/// Go's word for this operating system.
fn go_os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

/// Go's word for this architecture.
fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
