//! `completion`: a script that completes this command line in a shell.
use crate::cli::cosign::{Failure, Output, exactly_one};
use clap::{Args, Command};
use clap_complete::{Shell, generate};

/// Generate the autocompletion script for a shell.
#[derive(Args, Clone, Debug)]
pub(crate) struct Completion {
    /// the shell
    #[arg(value_name = "bash|zsh|fish|powershell")]
    shell: Vec<String>,
}

impl Completion {
    /// Prints the script of `command`'s own name.
    pub(crate) fn run(&self, command: &mut Command, output: &mut Output) -> Result<(), Failure> {
        output.bytes(&self.script(command)?)
    }

    /// The script that completes `command` under its own name.
    pub(crate) fn script(&self, command: &mut Command) -> Result<Vec<u8>, Failure> {
        let shell = match exactly_one(&self.shell)?.as_str() {
            "bash" => Shell::Bash,
            "zsh" => Shell::Zsh,
            "fish" => Shell::Fish,
            "powershell" => Shell::PowerShell,
            other => {
                return Err(Failure::new(format!(
                    "invalid argument {other:?} for \"{} completion\"",
                    command.get_name()
                )));
            }
        };
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        generate(shell, command, name, &mut script);
        Ok(script)
    }
}
