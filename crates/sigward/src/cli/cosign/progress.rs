//! How far long work has come, on standard error: one line that renews itself on a terminal, a line now and then elsewhere.
use std::{
    io::{IsTerminal as _, Write as _},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Between two lines where nobody watches.
const LOG_PAUSE: Duration = Duration::from_secs(10);
/// Between two renewals where somebody does.
const TERMINAL_PAUSE: Duration = Duration::from_millis(100);

/// Blobs and bytes that are moved.
#[derive(Debug)]
pub(super) struct Progress {
    verb: &'static str,
    blobs: u64,
    bytes: u64,
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    blobs: u64,
    bytes: u64,
    said: Instant,
    drawn: bool,
}

impl Progress {
    /// So much is ahead: `verb` says what happens to it ("Copied").
    pub(super) fn new(verb: &'static str, blobs: u64, bytes: u64) -> Self {
        let state = Mutex::new(State { blobs: 0, bytes: 0, said: Instant::now(), drawn: false });
        Self { verb, blobs, bytes, terminal: std::io::stderr().is_terminal(), state }
    }

    /// One more blob of this length is done.
    pub(super) fn done(&self, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.blobs = state.blobs.saturating_add(1);
        state.bytes = state.bytes.saturating_add(bytes);
        let pause = if self.terminal { TERMINAL_PAUSE } else { LOG_PAUSE };
        if state.said.elapsed() < pause && !(self.terminal && state.blobs == self.blobs) {
            return;
        }
        state.said = Instant::now();
        state.drawn = true;
        let line = self.line(&state);
        let mut err = std::io::stderr();
        // The escape wipes what a longer line left behind.
        let _closed = if self.terminal {
            write!(err, "\r{line}\u{1b}[K").and_then(|()| err.flush())
        } else {
            writeln!(err, "{line}")
        };
    }

    /// Leaves the line that renewed itself.
    pub(super) fn finish(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.terminal && state.drawn {
            let _closed = writeln!(std::io::stderr());
        }
    }

    fn line(&self, state: &State) -> String {
        format!(
            "{} {} of {} blobs, {} of {}",
            self.verb,
            state.blobs,
            self.blobs,
            size(state.bytes),
            size(self.bytes)
        )
    }
}

/// Bytes as people read them: one decimal of the largest binary unit that fits.
pub(super) fn size(bytes: u64) -> String {
    let mut unit = "B";
    let (mut whole, mut rest) = (bytes, 0);
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if whole < 1024 {
            break;
        }
        (whole, rest, unit) = (whole / 1024, whole % 1024, next);
    }
    if unit == "B" { format!("{whole} B") } else { format!("{whole}.{} {unit}", rest * 10 / 1024) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_by_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn the_line_says_how_much_of_how_much() {
        let progress = Progress::new("Copied", 2, 3 << 20);
        progress.done(1 << 20);
        let state = progress.state.lock().unwrap();
        assert_eq!(progress.line(&state), "Copied 1 of 2 blobs, 1.0 MiB of 3.0 MiB");
    }
}
