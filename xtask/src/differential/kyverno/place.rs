//! Places in a document: all of them, what is there, and a document in which something else is.
use sigward_document::{SmolStr, Value, View};

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into the member of a map.
    Key(SmolStr),
    /// Into the item of a list.
    At(usize),
}

/// A way from the top down; the empty one is the document.
pub(super) type Place = Vec<Step>;

/// Every place below the top, parents before children.
pub(super) fn all(value: &Value) -> Vec<Place> {
    let mut places = Vec::new();
    collect(value, &mut Vec::new(), &mut places);
    places
}

fn collect(value: &Value, here: &mut Place, places: &mut Vec<Place>) {
    let mut visit = |step: Step, child: &Value| {
        here.push(step);
        places.push(here.clone());
        collect(child, here, places);
        here.pop();
    };
    match value.view() {
        View::Map(map) => {
            for (key, child) in map.members() {
                visit(Step::Key(key.clone()), child);
            }
        }
        View::List(items) => {
            for (at, child) in items.iter().enumerate() {
                visit(Step::At(at), child);
            }
        }
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {}
    }
}

/// What is at a place.
pub(super) fn get<'v>(value: &'v Value, place: &[Step]) -> Option<&'v Value> {
    place.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::At(at) => value.item(*at),
    })
}

/// The document with something else at a place, or with nothing there. What does not exist stays away.
pub(super) fn with(value: &Value, place: &[Step], new: Option<Value>) -> Value {
    let Some((step, rest)) = place.split_first() else {
        return new.unwrap_or(Value::NULL);
    };
    let changed = match (step, rest) {
        (Step::Key(key), []) => match new {
            Some(new) => value.with_member(key, new),
            None => value.without_member(key),
        },
        (Step::At(at), []) => match new {
            Some(new) => value.with_item(*at, new),
            None => value.without_item(*at),
        },
        (Step::Key(key), rest) => {
            value.get(key).and_then(|child| value.with_member(key, with(child, rest, new)))
        }
        (Step::At(at), rest) => {
            value.item(*at).and_then(|child| value.with_item(*at, with(child, rest, new)))
        }
    };
    changed.unwrap_or_else(|| value.clone())
}

/// The last key on the way, which says what the place is about.
pub(super) fn key(place: &[Step]) -> Option<&str> {
    place.iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::At(_) => None,
    })
}

/// Whether the way goes through a member of this name.
pub(super) fn passes(place: &[Step], name: &str) -> bool {
    place.iter().any(|step| matches!(step, Step::Key(key) if key == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_document::parse_json;

    #[test]
    fn every_place_can_be_read_replaced_and_emptied() {
        let value = parse_json(br#"{"a":[{"b":1},2],"c":"x"}"#).unwrap();
        let places = all(&value);
        assert_eq!(places.len(), 5);
        for place in &places {
            assert!(get(&value, place).is_some());
            let other = with(&value, place, Some(Value::string("new")));
            assert_eq!(get(&other, place).and_then(Value::as_str), Some("new"));
            assert_ne!(with(&value, place, None), value);
        }
        let gone = [Step::Key("a".into()), Step::At(7)];
        assert_eq!(with(&value, &gone, Some(Value::NULL)), value);
    }
}
