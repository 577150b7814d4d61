//! The functions that policies may call in their expressions, beyond those of JMESPath.
//!
//! COMPAT: kyverno 1.19: names, arity, results and messages are the peer's. Arguments are checked by signature
//! before a function runs, so most of its own "is not of type" texts are never seen, there as here.
mod arithmetic;
mod der;
mod encoding;
mod go_regex;
mod go_time;
mod image;
mod lists;
mod md5;
mod net;
mod random;
mod regexes;
mod semver;
mod strings;
mod time;
mod x509;

use sigward_document::Value;
use sigward_jmespath::{Argument, Call, FunctionError, Functions, Kind, Signature};

pub use image::ImageDefaults;

/// What a function answers.
type Outcome = Result<Value, FunctionError>;
/// A function before it is registered.
type Entry = (&'static str, Signature, fn(&mut Call<'_, '_, '_>) -> Outcome);

const STRING: Argument = &[Kind::String];
const NUMBER: Argument = &[Kind::Number];
const ANY: Argument = &[Kind::Any];
const ARRAY: Argument = &[Kind::Array];
const OBJECT: Argument = &[Kind::Object];
/// A number where a text is wanted is printed first.
const TEXT: Argument = &[Kind::String, Kind::Number];

const ONE_STRING: Signature = Signature::fixed(&[STRING]);
const TWO_STRINGS: Signature = Signature::fixed(&[STRING, STRING]);
const THREE_STRINGS: Signature = Signature::fixed(&[STRING, STRING, STRING]);
const TWO_VALUES: Signature = Signature::fixed(&[ANY, ANY]);

/// All functions that policies may call, those of JMESPath among them, with the default image defaults.
///
/// ```
/// # use sigward_policy::functions::registry;
/// let registry = registry();
/// assert!(registry.names().contains(&"semver_compare"));
/// assert!(registry.names().contains(&"not_null"));
/// ```
pub fn registry() -> Functions {
    registry_with(ImageDefaults::default())
}

/// All functions that policies may call, completing image names as configured.
pub fn registry_with(images: ImageDefaults) -> Functions {
    let groups: [&[Entry]; 9] = [
        strings::FUNCTIONS,
        lists::FUNCTIONS,
        arithmetic::FUNCTIONS,
        encoding::FUNCTIONS,
        time::FUNCTIONS,
        semver::FUNCTIONS,
        x509::FUNCTIONS,
        random::FUNCTIONS,
        net::FUNCTIONS,
    ];
    let mut functions = Functions::standard();
    for (name, signature, code) in groups.into_iter().flatten() {
        functions = functions.with(name, *signature, code);
    }
    image::register(&regexes::register(&functions), images)
}

/// What the peer's number-or-string arguments read as.
///
/// COMPAT: kyverno 1.19: a float is printed with the precision of float32, as there; an integer keeps all its
/// digits, where the peer loses those beyond the seventh; test: numbers_read_as_text_keep_their_digits
fn text_of(value: &Value) -> Option<String> {
    use sigward_document::View;
    Some(match value.view() {
        View::Int(n) => n.to_string(),
        #[expect(clippy::cast_possible_truncation, reason = "the peer prints float32")]
        View::Float(n) => (n as f32).to_string(),
        View::String(text) => text.to_owned(),
        View::Bool(b) => b.to_string(),
        View::Null | View::List(_) | View::Map(_) => return None,
    })
}

#[cfg(test)]
mod tests;
