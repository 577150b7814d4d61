//! `validate` from the wire.
use super::Sink;
use crate::rules::validate::Validate;

/// Compiles a validate block.
pub(crate) fn compile(path: &str, sink: &mut Sink) -> Option<Validate> {
    sink.unsupported(path, "a validate rule");
    None
}
