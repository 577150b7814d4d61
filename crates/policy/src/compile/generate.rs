//! `generate` from the wire.
use super::Sink;
use crate::rules::generate::Generate;

/// Compiles a generate block.
pub(crate) fn compile(path: &str, sink: &mut Sink) -> Option<Generate> {
    sink.unsupported(path, "a generate rule");
    None
}
