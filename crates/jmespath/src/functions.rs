//! The registry of functions: a name, a typed signature, and code that sees one call at a time.
mod aggregate;
mod collection;
mod convert;
mod ordering;

use crate::error::{EvaluateError, FunctionError, WrongArity, WrongType};
use crate::evaluate::Evaluator;
use crate::host::Suspended;
use crate::item::{Item, number};
use sigward_document::{Value, View};
use smol_str::SmolStr;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any value; also an expression reference.
    Any,
    /// A number.
    Number,
    /// A string.
    String,
    /// A list of anything.
    Array,
    /// An object.
    Object,
    /// A list of numbers; the empty list is one.
    ArrayNumber,
    /// A list of strings; the empty list is one.
    ArrayString,
    /// An expression reference, `&…`.
    Reference,
}

impl Kind {
    /// How messages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
            Self::ArrayNumber => "array[number]",
            Self::ArrayString => "array[string]",
            Self::Reference => "expref",
        }
    }

    fn takes(self, item: &Item<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Number => item.number().is_some(),
            Self::String => matches!(item.view(), Some(View::String(_))),
            Self::Array => item.list_len().is_some(),
            Self::Object => matches!(item.view(), Some(View::Map(_))),
            Self::ArrayNumber => {
                item.list_len().is_some() && item.each().all(|e| e.number().is_some())
            }
            Self::ArrayString => {
                item.list_len().is_some()
                    && item.each().all(|e| matches!(e.view(), Some(View::String(_))))
            }
            Self::Reference => matches!(item, Item::Reference(_)),
        }
    }
}

/// What an argument may be: one of these.
pub type Argument = &'static [Kind];

/// What a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    arguments: &'static [Argument],
    variadic: bool,
    unchecked: bool,
}

impl Signature {
    /// Exactly these arguments.
    pub const fn fixed(arguments: &'static [Argument]) -> Self {
        Self { arguments, variadic: false, unchecked: false }
    }

    /// At least these arguments; more are of the last one's type.
    pub const fn variadic(arguments: &'static [Argument]) -> Self {
        Self { arguments, variadic: true, unchecked: false }
    }

    /// No arguments; any that are written are evaluated and left unused.
    pub const fn ignored() -> Self {
        Self { arguments: &[], variadic: true, unchecked: true }
    }

    /// The declared arguments in order.
    pub const fn arguments(&self) -> &'static [Argument] {
        self.arguments
    }

    pub(crate) fn check(&self, name: &SmolStr, given: &[Item<'_>]) -> Result<(), EvaluateError> {
        if self.unchecked {
            return Ok(());
        }
        let expected = self.arguments.len();
        if given.len() < expected || (given.len() > expected && !self.variadic) {
            return Err(EvaluateError::Arity(Box::new(WrongArity {
                name: name.clone(),
                expected,
                given: given.len(),
                variadic: self.variadic,
            })));
        }
        for (index, item) in given.iter().enumerate() {
            let Some(kinds) = self.arguments.get(index).or(self.arguments.last()) else { continue };
            if !kinds.iter().any(|kind| kind.takes(item)) {
                let given = if matches!(item, Item::Reference(_)) {
                    Value::string("&expression")
                } else {
                    item.to_value()
                };
                return Err(EvaluateError::Type(Box::new(WrongType {
                    name: name.clone(),
                    index,
                    given,
                    expected: kinds,
                })));
            }
        }
        Ok(())
    }
}

/// The code of a function.
pub type Handler = Arc<dyn Fn(&mut Call<'_, '_, '_>) -> Result<Value, FunctionError> + Send + Sync>;

/// A registered function.
#[derive(Clone)]
pub(crate) struct Function {
    hash: u64,
    name: SmolStr,
    signature: Signature,
    handler: Handler,
}

impl Function {
    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    pub(crate) fn call(&self, call: &mut Call<'_, '_, '_>) -> Result<Value, FunctionError> {
        (self.handler)(call)
    }
}

/// The functions that expressions may call. Immutable: [`Functions::with`] gives a larger one.
#[derive(Clone)]
pub struct Functions(Arc<[Function]>);

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Default for Functions {
    fn default() -> Self {
        Self::standard()
    }
}

/// A function before it is registered.
pub(crate) type Entry =
    (&'static str, Signature, fn(&mut Call<'_, '_, '_>) -> Result<Value, FunctionError>);

impl Functions {
    /// No functions at all.
    pub fn none() -> Self {
        Self(Arc::new([]))
    }

    /// The functions of the JMESPath specification.
    pub fn standard() -> Self {
        let groups: [&[Entry]; 4] =
            [aggregate::FUNCTIONS, collection::FUNCTIONS, convert::FUNCTIONS, ordering::FUNCTIONS];
        let functions = groups.into_iter().flatten().map(|(name, signature, code)| Function {
            hash: hash(name),
            name: SmolStr::new_static(name),
            signature: *signature,
            handler: Arc::new(code),
        });
        Self::sorted(functions.collect())
    }

    /// These and one more, which replaces one of the same name.
    #[must_use]
    pub fn with(
        &self,
        name: &str,
        signature: Signature,
        handler: impl Fn(&mut Call<'_, '_, '_>) -> Result<Value, FunctionError> + Send + Sync + 'static,
    ) -> Self {
        let mut functions: Vec<_> = self.0.iter().filter(|f| f.name != name).cloned().collect();
        functions.push(Function {
            hash: hash(name),
            name: name.into(),
            signature,
            handler: Arc::new(handler),
        });
        Self::sorted(functions)
    }

    /// These and all of another registry, which replace those of the same name.
    #[must_use]
    pub fn and(&self, more: &Self) -> Self {
        let mine = self.0.iter().filter(|f| more.find(f.hash, &f.name).is_none());
        Self::sorted(mine.chain(more.0.iter()).cloned().collect())
    }

    fn sorted(mut functions: Vec<Function>) -> Self {
        functions.sort_by(|a, b| (a.hash, &a.name).cmp(&(b.hash, &b.name)));
        Self(functions.into())
    }

    /// The names in alphabetical order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(|f| f.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// What the function of this name takes.
    pub fn signature(&self, name: &str) -> Option<Signature> {
        self.find(hash(name), name).map(|f| f.signature)
    }

    pub(crate) fn find(&self, hash: u64, name: &str) -> Option<&Function> {
        let start = self.0.partition_point(|f| f.hash < hash);
        self.0.get(start..)?.iter().take_while(|f| f.hash == hash).find(|f| f.name == name)
    }
}

/// FNV-1a, 64 bits: of function names, so that a call finds its function by comparing numbers.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// One call of a function: its arguments, and what it may ask of the evaluation and its host.
pub struct Call<'c, 'a, 'h> {
    evaluator: &'c mut Evaluator<'a, 'h>,
    name: &'c SmolStr,
    offset: u32,
    arguments: &'c [Item<'a>],
}

impl fmt::Debug for Call<'_, '_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments may be secrets.
        f.debug_struct("Call").field("name", self.name).finish_non_exhaustive()
    }
}

impl<'c, 'a, 'h> Call<'c, 'a, 'h> {
    pub(crate) fn new(
        evaluator: &'c mut Evaluator<'a, 'h>,
        name: &'c SmolStr,
        offset: u32,
        arguments: &'c [Item<'a>],
    ) -> Self {
        Self { evaluator, name, offset, arguments }
    }

    /// The name that was called.
    pub fn name(&self) -> &'c str {
        self.name
    }

    /// How many arguments it was given.
    pub fn count(&self) -> usize {
        self.arguments.len()
    }

    pub(crate) fn items(&self) -> &'c [Item<'a>] {
        self.arguments
    }

    pub(crate) fn item(&self, index: usize) -> &'c Item<'a> {
        self.arguments.get(index).unwrap_or(&Item::NULL)
    }

    /// The argument as a value of its own; null when there is none.
    pub fn value(&self, index: usize) -> Value {
        self.item(index).to_value()
    }

    /// The text of a string argument. The signature has checked it; the error is for a function that declares less
    /// than it reads.
    pub fn string(&self, index: usize) -> Result<&'c str, FunctionError> {
        if let Some(View::String(text)) = self.item(index).view() {
            Ok(text)
        } else {
            Err(not(index, "string"))
        }
    }

    /// A number argument as Go's float64. The error is as for [`Call::string`].
    pub fn number(&self, index: usize) -> Result<f64, FunctionError> {
        self.item(index)
            .number()
            .map(crate::item::Number::float)
            .ok_or_else(|| not(index, "number"))
    }

    /// The elements of a list argument. The error is as for [`Call::string`].
    pub fn list(&self, index: usize) -> Result<Vec<Value>, FunctionError> {
        let item = self.item(index);
        if item.list_len().is_none() {
            return Err(not(index, "array"));
        }
        Ok(item.each().map(Item::into_value).collect())
    }

    /// The text of an argument that is a string; `None` for any other value.
    pub fn as_string(&self, index: usize) -> Option<&'c str> {
        if let Some(View::String(text)) = self.item(index).view() { Some(text) } else { None }
    }

    /// An argument that is a number, as Go's float64; `None` for any other value.
    pub fn as_number(&self, index: usize) -> Option<f64> {
        self.item(index).number().map(crate::item::Number::float)
    }

    /// A float as a value: an integer when it is one.
    pub fn result(&self, value: f64) -> Value {
        number(value)
    }

    /// Counts work: one step for a comparison, a character, an element.
    pub fn steps(&mut self, steps: usize) -> Result<(), FunctionError> {
        Ok(self.evaluator.step(steps as u64)?)
    }

    /// Counts bytes, before they are built. A string result is counted by the evaluation itself.
    pub fn charge(&mut self, bytes: usize) -> Result<(), FunctionError> {
        Ok(self.evaluator.charge(bytes)?)
    }

    /// Counts a whole value, as if it were printed.
    pub fn weigh(&mut self, value: &Value) -> Result<(), FunctionError> {
        Ok(self.evaluator.weigh_value(value, 1)?)
    }

    /// The moment of the request, in nanoseconds since the Unix epoch.
    pub fn now(&self) -> i64 {
        self.evaluator.host.now()
    }

    /// A number of the host's; the same at every run of the same expression within one request.
    pub fn random(&mut self) -> u64 {
        self.evaluator.random(self.offset)
    }

    /// The addresses of a host name, or the text of the failed lookup.
    pub fn addresses(&mut self, name: &str) -> Result<Result<Vec<IpAddr>, String>, Suspended> {
        self.evaluator.host.addresses(name)
    }

    /// Evaluates the expression reference at `index` against an element; a missing key is null.
    pub(crate) fn apply(
        &mut self,
        index: usize,
        element: &Item<'a>,
    ) -> Result<Item<'a>, FunctionError> {
        match self.try_apply(index, element) {
            Err(EvaluateError::UnknownKey { .. }) => Ok(Item::NULL),
            other => Ok(other?),
        }
    }

    /// As [`Call::apply`], with a missing key an error.
    pub(crate) fn try_apply(
        &mut self,
        index: usize,
        element: &Item<'a>,
    ) -> Result<Item<'a>, EvaluateError> {
        let Item::Reference(node) = self.item(index) else { return Err(EvaluateError::Reference) };
        self.evaluator.step(1)?;
        self.evaluator.node(node, element)
    }

    pub(crate) fn equal(&mut self, left: Item<'a>, right: Item<'a>) -> Result<bool, FunctionError> {
        Ok(self.evaluator.equal(left, right)?)
    }
}

fn not(index: usize, wanted: &str) -> FunctionError {
    FunctionError::prefixed(format!("argument #{} is not of type {wanted}", index + 1))
}
