//! `completion`: a script that completes this command line in a shell.
use crate::cli::cosign::{Failure, Output};
use clap::{Args, Command, ValueEnum};
use clap_complete::{Shell, generate};

/// Generate the autocompletion script for a shell.
#[derive(Args, Clone, Debug)]
pub(crate) struct Completion {
    /// the shell
    #[arg(value_name = "SHELL")]
    shell: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

impl Completion {
    /// Prints the script of `command`'s own name.
    pub(crate) fn run(&self, command: &mut Command, output: &mut Output) -> Result<(), Failure> {
        let shell = match self.shell {
            Kind::Bash => Shell::Bash,
            Kind::Zsh => Shell::Zsh,
            Kind::Fish => Shell::Fish,
            Kind::Powershell => Shell::PowerShell,
        };
        let name = command.get_name().to_owned();
        let mut script = Vec::new();
        generate(shell, command, name, &mut script);
        output.bytes(&script)
    }
}
