//! `piv-tool` and `pkcs11-tool`: what a build without hardware support says.
use super::Failure;
use clap::Args;

/// This cosign was not built with piv-tool support!
#[derive(Args, Clone, Debug)]
pub(crate) struct PivTool {
    /// anything
    #[arg(value_name = "ARGUMENT", num_args = 0.., hide = true)]
    pub(crate) arguments: Vec<String>,
}

/// This cosign was not built with pkcs11-tool support!
#[derive(Args, Clone, Debug)]
pub(crate) struct Pkcs11Tool {
    /// anything
    #[arg(value_name = "ARGUMENT", num_args = 0.., hide = true)]
    pub(crate) arguments: Vec<String>,
}

/// COMPAT: cosign 3.1: the sentence of every build without hardware support; test: hardware_tools_say_that_they_are_not_there
pub(super) fn refused(tool: &str) -> Result<(), Failure> {
    Err(Failure::new(format!("This cosign was not built with {tool} support!")))
}
