//! Laws of equality, order and sharing.
use super::*;
use crate::parse_json;
use proptest::prelude::*;
use std::hash::{DefaultHasher, Hash, Hasher};

fn tree(text: &str) -> Value {
    parse_json(text.as_bytes()).unwrap()
}

fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Trees of every kind, with small keys so that two of them meet.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::NULL),
        any::<bool>().prop_map(Value::bool),
        (-3_i64..4).prop_map(Value::int),
        (-3_i64..4).prop_map(|n| Value::float(f64::from(i32::try_from(n).unwrap_or(0)) / 2.0)),
        any::<i64>().prop_map(Value::int),
        any::<f64>()
            .prop_filter("JSON has no such number", |n| n.is_finite())
            // No negative zero: it prints as `-0`, which reads back as an integer.
            .prop_map(|n| Value::float(n + 0.0)),
        "[a-c/~]{0,3}".prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::list),
            proptest::collection::vec(("[a-d~/]{0,2}", inner), 0..5).prop_map(
                |members| Value::map(members.into_iter().map(|(k, v)| (SmolStr::from(k), v)))
            ),
        ]
    })
}

#[test]
fn one_and_one_point_zero_are_one_value() {
    assert_eq!(Value::int(1), Value::float(1.0));
    assert_eq!(hash(&Value::int(1)), hash(&Value::float(1.0)));
    assert_eq!(hash(&Value::float(0.0)), hash(&Value::float(-0.0)));
    assert_eq!(Value::float(-0.0), Value::int(0));
    assert_ne!(Value::int(1), Value::float(1.5));
    assert_ne!(Value::int(1), Value::string("1"));
    assert_ne!(Value::int(0), Value::bool(false));
}

#[test]
fn large_integers_compare_with_floats_exactly() {
    let two_53 = 9_007_199_254_740_992_i64;
    assert_eq!(Value::int(two_53), Value::float(9_007_199_254_740_992.0));
    assert_ne!(Value::int(two_53 + 1), Value::float(9_007_199_254_740_992.0));
    assert!(Value::int(i64::MAX) < Value::float(9_223_372_036_854_775_808.0));
    assert_eq!(Value::int(i64::MIN), Value::float(-9_223_372_036_854_775_808.0));
    assert!(Value::int(i64::MIN) > Value::float(-1e19));
    assert!(Value::int(i64::MAX) < Value::float(f64::NAN));
}

#[test]
fn of_equal_keys_the_last_wins() {
    let pair = |k: &str, n: i64| (SmolStr::new(k), Value::int(n));
    let map = Value::map([pair("b", 1), pair("a", 2), pair("b", 3), pair("a", 4), pair("b", 5)]);
    assert_eq!(map.to_json(), r#"{"a":4,"b":5}"#);
}

#[test]
fn setting_a_member_shares_the_others() {
    let old = tree(r#"{"a":{"x":1},"c":[1]}"#);
    for (key, want) in [
        ("a", r#"{"a":0,"c":[1]}"#),
        ("b", r#"{"a":{"x":1},"b":0,"c":[1]}"#),
        ("d", r#"{"a":{"x":1},"c":[1],"d":0}"#),
    ] {
        let new = old.with_member(key, Value::int(0)).unwrap();
        assert_eq!(new.to_json(), want);
        assert!(new.get("c").unwrap().same(old.get("c").unwrap()), "{key}");
    }
    assert_eq!(Value::int(1).with_member("a", Value::NULL), None);
}

#[test]
fn removing_a_member_that_is_not_there_is_the_same_tree() {
    let old = tree(r#"{"a":1,"b":[2]}"#);
    assert!(old.without_member("x").unwrap().same(&old));
    assert_eq!(old.without_member("a").unwrap(), tree(r#"{"b":[2]}"#));
}

#[test]
fn lists_change_by_sharing() {
    let old = tree(r"[[1],[2],[3]]");
    assert_eq!(old.with_item(1, Value::NULL).unwrap(), tree("[[1],null,[3]]"));
    assert_eq!(old.with_inserted(3, Value::NULL).unwrap(), tree("[[1],[2],[3],null]"));
    assert_eq!(old.without_item(0).unwrap(), tree("[[2],[3]]"));
    assert_eq!(old.with_item(3, Value::NULL), None);
    assert_eq!(old.with_inserted(4, Value::NULL), None);
    assert_eq!(old.without_item(usize::MAX), None);
}

#[test]
fn setting_a_path_makes_the_maps_on_the_way() {
    let old = tree(r#"{"metadata":{"annotations":null}}"#);
    let new = old.with_path(&["metadata", "annotations", "a/b"], Value::string("x")).unwrap();
    assert_eq!(new, tree(r#"{"metadata":{"annotations":{"a/b":"x"}}}"#));
    assert_eq!(tree(r#"{"a":1}"#).with_path(&["a", "b"], Value::NULL), None);
}

#[test]
fn a_number_is_whole_written_either_way() {
    assert_eq!(Value::float(3.0).as_i64(), Some(3));
    assert_eq!(Value::float(3.5).as_i64(), None);
    assert_eq!(Value::float(1e19).as_i64(), None);
    assert_eq!(Value::int(3).as_f64(), Some(3.0));
    assert_eq!(Value::string("3").as_i64(), None);
}

#[test]
fn small_and_large_maps_find_their_members() {
    for size in [0_i64, 1, 7, 8, 9, 100] {
        let map = Value::map((0..size).map(|n| (SmolStr::from(format!("key{n}")), Value::int(n))));
        for n in 0..size {
            assert_eq!(map.get(&format!("key{n}")), Some(&Value::int(n)));
        }
        assert_eq!(map.get("key"), None);
        assert_eq!(map.get("zzz"), None);
        assert_eq!(map.get(""), None);
    }
}

proptest! {
    #[test]
    fn equal_trees_have_equal_hashes_and_the_order_is_total(a in any_value(), b in any_value(), c in any_value()) {
        prop_assert_eq!(a == b, a.cmp(&b).is_eq());
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        if a == b {
            prop_assert_eq!(hash(&a), hash(&b));
        }
        let mut sorted = [&a, &b, &c];
        sorted.sort();
        prop_assert!(sorted[0] <= sorted[2]);
    }

    /// Compared by text: a whole float between 2⁵³ and 1e21 prints, as in Go, digits that an integer reader takes exactly.
    #[test]
    fn a_tree_survives_its_text(a in any_value()) {
        let back = parse_json(a.to_json().as_bytes()).unwrap();
        prop_assert_eq!(back.to_json(), a.to_json());
        prop_assert_eq!(parse_json(a.to_json_pretty("\t").as_bytes()).unwrap(), back);
    }

    #[test]
    fn a_tree_survives_serde(a in any_value()) {
        prop_assert_eq!(&crate::to_value(&a).unwrap(), &a);
        prop_assert_eq!(&crate::from_value::<Value>(&a).unwrap(), &a);
        prop_assert_eq!(&parse_json(serde_json::to_string(&a).unwrap().as_bytes()).unwrap(), &a);
    }
}
