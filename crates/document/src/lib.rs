//! One immutable JSON/YAML tree that every engine borrows, and the small formats that live in it.
//!
//! * [`Value`] is the tree, [`View`] how an engine looks at a node, [`Scope`] how names are looked up over several trees.
//! * [`parse_json`] reads the wire, [`parse_yaml`] what people write, [`from_value`] hands a tree to typed structs.
//! * [`patch`] applies and makes RFC 6902 patches.
//! * [`quantity`], [`duration`] and [`wildcard`] are Kubernetes' and Go's small formats.
//!
//! Nothing here reads a file, a clock or the environment, and no input makes it panic: every parser has caps.

pub mod deserialize;
pub mod duration;
pub mod json;
pub mod patch;
pub mod pointer;
pub mod print;
pub mod quantity;
pub mod scope;
pub mod serialize;
pub mod value;
pub mod wildcard;
pub mod written;
pub mod yaml;

pub use deserialize::{FieldError, from_value, from_value_noting_unknown};
pub use duration::GoDuration;
pub use json::{Limits, parse_json, parse_json_strict, parse_json_with};
pub use print::Escape;
pub use quantity::Quantity;
pub use scope::{Frame, Root, Scope};
pub use serialize::{ToValueError, to_value};
pub use smol_str::SmolStr;
pub use value::{Kind, Map, MapBuilder, Value, View};
pub use written::{ParseError, Span, Spans, Written, line_column};
pub use yaml::{parse_yaml, parse_yaml_stream, to_yaml};
