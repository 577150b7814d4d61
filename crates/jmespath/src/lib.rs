//! The JMESPath dialect of policies: text to [`Expression`], expression and [`Root`] to a value.
//!
//! The language is JMESPath with the differences that policies rely on: a missing key of an object is an
//! error (see [`EvaluateError::UnknownKey`] for where it ends), ordering compares numbers only, and functions
//! come from a registry ([`Functions`]). What a function wants from outside (the time, randomness, addresses)
//! it asks of a [`Host`]; when the host has to fetch first, it answers [`Suspended`], which unwinds at once.
//!
//! ```
//! use sigward_document::{Value, View};
//! use sigward_jmespath::{Expression, Functions, Offline};
//!
//! let root = Value::map([("name".into(), Value::string("nginx"))]);
//! let expression = Expression::parse("starts_with(name, 'ng')")?;
//! let value = expression.evaluate(&root, &Functions::standard(), &mut Offline::default())?;
//! assert!(matches!(value.view(), View::Bool(true)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Root`]: sigward_document::Root
mod error;
mod evaluate;
mod expression;
mod functions;
mod host;
mod item;
mod lexer;
mod node;
mod parser;
mod render;
mod tree;

pub use error::{EvaluateError, FunctionError, ParseError, Refusal, WrongArity, WrongType};
pub use expression::{Expression, Limits, Roots};
pub use functions::{Argument, Call, Functions, Handler, Kind, Signature};
pub use host::{CallSite, Host, Offline, Suspended};
