//! Names over several trees that nobody joined: what an expression starts from.
use crate::{Value, View};
use smol_str::SmolStr;

/// What an expression starts from: a tree, or named trees that nobody joined.
pub trait Root {
    /// The tree of that name.
    fn member(&self, name: &str) -> Option<&Value>;
    /// The joined tree, for a bare `@`, `keys(@)` and `*`; rare, so built when asked.
    fn whole(&self) -> Value;
}

impl Root for Value {
    fn member(&self, name: &str) -> Option<&Value> {
        self.get(name)
    }
    fn whole(&self) -> Value {
        self.clone()
    }
}

/// How a frame meets the names outside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// `element`, `target`, context entries: hides the outer name.
    Hides,
    /// An attestation's predicate: the outer name wins, so that a signed predicate cannot shadow `request`.
    Yields,
}

/// Names over names: `request` and `images` at the bottom, then context entries, `element`, a predicate.
#[derive(Clone, Debug)]
pub struct Scope<'o> {
    outer: Option<&'o Self>,
    frame: Frame,
    names: Value,
}

impl<'o> Scope<'o> {
    /// The outermost names; a value that is no map has none.
    pub const fn bottom(names: Value) -> Scope<'static> {
        Scope { outer: None, frame: Frame::Hides, names }
    }

    /// More names over others; a value that is no map adds none.
    pub const fn over(outer: &'o Self, frame: Frame, names: Value) -> Self {
        Scope { outer: Some(outer), frame, names }
    }
}

impl Root for Scope<'_> {
    fn member(&self, name: &str) -> Option<&Value> {
        let outer = || self.outer.and_then(|o| o.member(name));
        match self.frame {
            Frame::Hides => self.names.member(name).or_else(outer),
            Frame::Yields => outer().or_else(|| self.names.member(name)),
        }
    }

    /// Joins the frames' own members; the trees below them stay shared. A bottom that is no map is itself the whole.
    fn whole(&self) -> Value {
        let Some(outer) = self.outer else { return self.names.clone() };
        let pairs = |v: &Value| -> Vec<(SmolStr, Value)> {
            if let View::Map(map) = v.view() {
                map.members().cloned().collect()
            } else {
                Vec::new()
            }
        };
        let own = pairs(&self.names);
        let outer = pairs(&outer.whole());
        match self.frame {
            Frame::Hides => Value::map(outer.into_iter().chain(own)),
            Frame::Yields => Value::map(own.into_iter().chain(outer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_json;

    fn tree(text: &str) -> Value {
        parse_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_predicate_frame_yields_to_the_names_outside_it() {
        let bottom = Scope::bottom(tree(r#"{"request":{"operation":"CREATE"}}"#));
        let forged = tree(r#"{"request":{"operation":"DELETE"},"builder":{"id":"x"}}"#);
        let scope = Scope::over(&bottom, Frame::Yields, forged);
        assert_eq!(scope.member("request").and_then(|r| r.str_at(&["operation"])), Some("CREATE"));
        assert_eq!(scope.member("builder").and_then(|b| b.str_at(&["id"])), Some("x"));
        assert_eq!(
            scope.whole(),
            tree(r#"{"builder":{"id":"x"},"request":{"operation":"CREATE"}}"#)
        );
    }

    #[test]
    fn an_outer_name_wins_through_a_yielding_frame_however_deep_it_is() {
        let bottom = Scope::bottom(tree(r#"{"a":1}"#));
        let context = Scope::over(&bottom, Frame::Hides, tree(r#"{"b":2}"#));
        let predicate = Scope::over(&context, Frame::Yields, tree(r#"{"a":"p","b":"p","c":"p"}"#));
        let element = Scope::over(&predicate, Frame::Hides, tree(r#"{"element":9}"#));
        assert_eq!(element.whole(), tree(r#"{"a":1,"b":2,"c":"p","element":9}"#));
        for name in ["a", "b", "c", "element"] {
            assert_eq!(element.member(name), element.whole().get(name), "{name}");
        }
    }

    #[test]
    fn a_hiding_frame_hides_even_with_null() {
        let bottom = Scope::bottom(tree(r#"{"element":1}"#));
        let scope = Scope::over(&bottom, Frame::Hides, tree(r#"{"element":null}"#));
        assert_eq!(scope.member("element"), Some(&Value::NULL));
    }

    #[test]
    fn looking_up_a_name_joins_nothing_and_the_join_shares_every_tree() {
        let bottom = Scope::bottom(tree(r#"{"request":{"object":{"kind":"Pod"}}}"#));
        let scope = Scope::over(&bottom, Frame::Hides, tree(r#"{"element":{"image":"a"}}"#));
        let request = scope.member("request").unwrap().clone();
        assert!(request.same(scope.member("request").unwrap()));
        assert!(request.same(scope.whole().get("request").unwrap()));
    }

    #[test]
    fn frames_that_are_no_maps_add_no_names() {
        let bottom = Scope::bottom(tree(r#"{"a":1}"#));
        let scope = Scope::over(&bottom, Frame::Hides, tree("[1,2]"));
        assert_eq!(scope.member("a"), Some(&Value::int(1)));
        assert_eq!(scope.whole(), tree(r#"{"a":1}"#));
    }
}
