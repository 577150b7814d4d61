//! Typed values out of trees: errors carry the path, and what no field read can be listed.
use crate::value::{Map, Value, View};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer as _, Unexpected,
    Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use smol_str::SmolStr;
use std::cell::RefCell;
use std::fmt;

#[cfg(test)]
mod tests;

/// Why a tree is not of a type, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// `spec.rules[0].name`; empty for the document itself. A key that is no plain name stands in
    /// brackets: `metadata.annotations[example.com/a]`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

impl std::error::Error for FieldError {}

/// The typed form of a tree. A member that is null is read as absent, as Go reads it into a field.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, FieldError> {
    read(value, None)
}

/// The same, with the paths of all members of the tree that no struct field read, in document order: the
/// "unknown field" diagnostics. What lies below an unknown member is not listed apart, and what a free-form
/// field (a [`Value`] or a map) took is known. Below `#[serde(flatten)]`, `untagged` and internally tagged
/// types serde reads everything first, so nothing in there is listed.
pub fn from_value_noting_unknown<T: DeserializeOwned>(
    value: &Value,
) -> Result<(T, Vec<String>), FieldError> {
    let unknown = RefCell::new(Vec::new());
    let typed = read(value, Some(&unknown))?;
    Ok((typed, unknown.into_inner()))
}

fn read<T: DeserializeOwned>(
    value: &Value,
    unknown: Option<&RefCell<Vec<String>>>,
) -> Result<T, FieldError> {
    let node = Node { value, path: Path::Root, unknown };
    T::deserialize(node)
        .map_err(|Refusal { path, message }| FieldError { path: path.unwrap_or_default(), message })
}

/// A path as a chain on the stack: it is only rendered for an error or a note.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Member(&'p Self, &'p str),
    Item(&'p Self, usize),
}

impl Path<'_> {
    fn render(&self, out: &mut String) {
        match self {
            Path::Root => {}
            Path::Member(parent, key) => {
                parent.render(out);
                let plain = !key.is_empty()
                    && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-$".contains(&b));
                match (plain, out.is_empty()) {
                    (true, true) => out.push_str(key),
                    (true, false) => out.extend([".", key]),
                    (false, _) => out.extend(["[", key, "]"]),
                }
            }
            Path::Item(parent, at) => {
                parent.render(out);
                out.extend(["[", &at.to_string(), "]"]);
            }
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        self.render(&mut out);
        out
    }
}

/// An error on its way up; the innermost node gives it its path.
#[derive(Debug)]
struct Refusal {
    path: Option<String>,
    message: String,
}

impl Refusal {
    fn at(mut self, path: &Path<'_>) -> Self {
        if self.path.is_none() {
            self.path = Some(path.text());
        }
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: None, message: message.to_string() }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {}", Found(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}, found {}", Found(unexpected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("{variant:?} is not one of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("the field {field:?} is missing"))
    }
}

/// What was found, in JSON's words.
struct Found<'u>(Unexpected<'u>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Unexpected::Str(text) => write!(f, "the string {text:?}"),
            Unexpected::Seq => f.write_str("a list"),
            Unexpected::Map => f.write_str("an object"),
            Unexpected::Unit => f.write_str("null"),
            Unexpected::Bool(b) => write!(f, "{b}"),
            Unexpected::Signed(n) => write!(f, "the number {n}"),
            Unexpected::Unsigned(n) => write!(f, "the number {n}"),
            Unexpected::Float(n) => write!(f, "the number {}", crate::print::json_float(n)),
            Unexpected::Char(_)
            | Unexpected::Bytes(_)
            | Unexpected::Option
            | Unexpected::NewtypeStruct
            | Unexpected::Enum
            | Unexpected::UnitVariant
            | Unexpected::NewtypeVariant
            | Unexpected::TupleVariant
            | Unexpected::StructVariant
            | Unexpected::Other(_) => self.0.fmt(f),
        }
    }
}

#[derive(Clone, Copy)]
struct Node<'v, 'p> {
    value: &'v Value,
    path: Path<'p>,
    unknown: Option<&'p RefCell<Vec<String>>>,
}

impl<'v> Node<'v, '_> {
    /// `skip_null` for structs: a null member is an absent one.
    fn map<V: Visitor<'v>>(
        self,
        map: Map<'v>,
        skip_null: bool,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let path = self.path;
        let members = Members { rest: map.members(), value: None, node: &self, skip_null };
        visitor.visit_map(members).map_err(|e| e.at(&path))
    }

    fn list<V: Visitor<'v>>(self, items: &'v [Value], visitor: V) -> Result<V::Value, Refusal> {
        let path = self.path;
        visitor.visit_seq(Items { rest: items.iter(), at: 0, node: &self }).map_err(|e| e.at(&path))
    }

    /// A whole float where an integer is wanted: in JSON `3.0` is one.
    fn integer<V: Visitor<'v>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value.as_i64() {
            Some(n) => visitor.visit_i64(n).map_err(|e: Refusal| e.at(&self.path)),
            None => self.deserialize_any(visitor),
        }
    }
}

macro_rules! integers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            self.integer(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'de, '_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value.view() {
            View::Null => visitor.visit_unit(),
            View::Bool(b) => visitor.visit_bool(b),
            View::Int(n) => visitor.visit_i64(n),
            View::Float(n) => visitor.visit_f64(n),
            View::String(s) => visitor.visit_borrowed_str(s),
            View::List(items) => return self.list(items, visitor),
            View::Map(map) => return self.map(map, false, visitor),
        }
        .map_err(|e: Refusal| e.at(&self.path))
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.value.is_null() {
            return visitor.visit_none().map_err(|e: Refusal| e.at(&self.path));
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let path = self.path;
        visitor.visit_newtype_struct(self).map_err(|e: Refusal| e.at(&path))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.value.view() {
            View::Map(map) => self.map(map, true, visitor),
            View::Null
            | View::Bool(_)
            | View::Int(_)
            | View::Float(_)
            | View::String(_)
            | View::List(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let path = self.path;
        let one =
            self.value.as_map().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
        match (self.value.as_str(), one) {
            (Some(name), _) => visitor.visit_enum(name.into_deserializer()),
            (None, Some((name, content))) => visitor.visit_enum(Variant {
                name,
                content: Node {
                    value: content,
                    path: Path::Member(&self.path, name),
                    unknown: self.unknown,
                },
            }),
            (None, None) => self.deserialize_any(visitor),
        }
        .map_err(|e: Refusal| e.at(&path))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if let Some(unknown) = self.unknown {
            unknown.borrow_mut().push(self.path.text());
        }
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool f32 f64 i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
    }
}

struct Members<'v, 'p> {
    rest: std::slice::Iter<'v, (SmolStr, Value)>,
    value: Option<(&'v str, &'v Value)>,
    node: &'p Node<'v, 'p>,
    skip_null: bool,
}

impl<'v> de::MapAccess<'v> for Members<'v, '_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'v>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Refusal> {
        let skip_null = self.skip_null;
        let Some((key, value)) = self.rest.find(|(_, value)| !(skip_null && value.is_null()))
        else {
            return Ok(None);
        };
        self.value = Some((key, value));
        let path = Path::Member(&self.node.path, key);
        seed.deserialize(de::value::BorrowedStrDeserializer::new(key))
            .map(Some)
            .map_err(|e: Refusal| e.at(&path))
    }

    fn next_value_seed<S: DeserializeSeed<'v>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let (key, value) = self
            .value
            .take()
            .ok_or_else(|| <Refusal as de::Error>::custom("a value without a key"))?;
        let path = Path::Member(&self.node.path, key);
        seed.deserialize(Node { value, path, unknown: self.node.unknown }).map_err(|e| e.at(&path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Items<'v, 'p> {
    rest: std::slice::Iter<'v, Value>,
    at: usize,
    node: &'p Node<'v, 'p>,
}

impl<'v> de::SeqAccess<'v> for Items<'v, '_> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'v>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refusal> {
        let Some(value) = self.rest.next() else { return Ok(None) };
        let path = Path::Item(&self.node.path, self.at);
        self.at += 1;
        seed.deserialize(Node { value, path, unknown: self.node.unknown })
            .map(Some)
            .map_err(|e| e.at(&path))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Variant<'v, 'p> {
    name: &'v str,
    content: Node<'v, 'p>,
}

impl<'v, 'p> de::EnumAccess<'v> for Variant<'v, 'p> {
    type Error = Refusal;
    type Variant = Node<'v, 'p>;

    fn variant_seed<S: DeserializeSeed<'v>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Node<'v, 'p>), Refusal> {
        let name =
            seed.deserialize(de::value::BorrowedStrDeserializer::<Refusal>::new(self.name))?;
        Ok((name, self.content))
    }
}

impl<'v> de::VariantAccess<'v> for Node<'v, '_> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        <()>::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'v>>(self, seed: S) -> Result<S::Value, Refusal> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'v>>(self, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'v>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_struct("", fields, visitor)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::bool(b))
    }
    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::int(n))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(Value::from(n))
    }
    fn visit_f64<E>(self, n: f64) -> Result<Value, E> {
        Ok(Value::float(n))
    }
    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::string(s))
    }
    fn visit_string<E>(self, s: String) -> Result<Value, E> {
        Ok(Value::from(s))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::NULL)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::NULL)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Deserialize::deserialize(deserializer)
    }
    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        Deserialize::deserialize(deserializer)
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::list(items))
    }
    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<SmolStr, Value>()? {
            members.push((key, value));
        }
        Ok(Value::map(members))
    }
}
