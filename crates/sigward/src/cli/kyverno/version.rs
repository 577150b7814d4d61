//! `version`, when called as `kyverno`.
use crate::cli::cosign::Failure;
use clap::{Args, ValueEnum};
use std::io::Write as _;

/// Print the version.
#[derive(Args, Clone, Debug)]
pub(crate) struct Version {
    /// json or yaml instead of text
    #[arg(short, long)]
    output: Option<Form>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Json,
    Yaml,
}

impl Version {
    /// # Errors
    /// Standard output is closed.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let version = concat!("v", env!("CARGO_PKG_VERSION"));
        let time = option_env!("SIGWARD_BUILD_DATE").unwrap_or("---");
        let commit = option_env!("SIGWARD_GIT_COMMIT").unwrap_or("---");
        let text = match self.output {
            None => format!("Version: {version}\nTime: {time}\nGit commit ID: {commit}\n"),
            Some(Form::Json) => format!(
                "{:#}\n",
                serde_json::json!({ "version": version, "time": time, "gitCommitID": commit })
            ),
            Some(Form::Yaml) => {
                format!("gitCommitID: {commit:?}\ntime: {time:?}\nversion: {version}\n")
            }
        };
        Ok(std::io::stdout().write_all(text.as_bytes())?)
    }
}
