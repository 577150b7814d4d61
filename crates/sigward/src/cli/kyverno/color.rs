//! Whether colours are written.
use super::table::Colour;
use std::io::IsTerminal as _;

/// Chooses once a run.
#[derive(Debug)]
pub(crate) struct Colours;

impl Colours {
    /// On for a terminal, unless someone does not want them: `--remove-color`, or `NO_COLOR` in the environment.
    pub(crate) fn choose(removed: bool) -> Colour {
        let unwanted =
            removed || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if !unwanted && std::io::stdout().is_terminal() { Colour::On } else { Colour::Off }
    }
}
