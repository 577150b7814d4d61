//! Each operator on each pair of types that behaves in a way of its own.
use super::*;

fn check(key: &str, operator: &str, value: &str, expected: bool) {
    let parse = |text: &str| sigward_document::parse_json(text.as_bytes()).unwrap();
    let got = Operator::parse(operator).unwrap().holds(&parse(key), &parse(value));
    assert_eq!(got, expected, "{key} {operator} {value}");
}

#[test]
fn equals_goes_by_the_type_of_the_key() {
    check(r#""web-1""#, "Equals", r#""web-*""#, true);
    check(r#""web-*""#, "Equals", r#""web-1""#, false);
    check("8", "Equals", r#""8""#, true);
    check("8", "Equals", "8.0", true);
    check("true", "Equals", r#""true""#, false);
    check(r#""1h""#, "Equals", r#""60m""#, true);
    check(r#""1h""#, "Equals", "3600", true);
    check(r#""1Gi""#, "Equals", r#""1024Mi""#, true);
    check(r#""1Gi""#, "Equals", r#""*""#, false);
    check("null", "Equals", "null", false);
    check(r#"{"a":[1]}"#, "equal", r#"{"a":[1]}"#, true);
    check("[1]", "Equals", "[2]", false);
}

#[test]
fn not_equals_holds_for_types_that_do_not_go_together_but_never_for_null() {
    check(r#""a""#, "NotEquals", "1", true);
    check(r#""2026-01-01""#, "NotEquals", r#""""#, true);
    check(r#""""#, "NotEquals", r#""""#, false);
    check("null", "NotEquals", r#""a""#, false);
}

#[test]
fn membership_matches_wildcards_in_both_directions() {
    check(r#""nginx""#, "AnyIn", r#"["ng*","x"]"#, true);
    check(r#""ng*""#, "AnyIn", r#"["nginx"]"#, true);
    check(r#"["a","b"]"#, "AnyIn", r#"["b","c"]"#, true);
    check(r#"["a","b"]"#, "AllIn", r#"["b","c"]"#, false);
    check(r#"["a","b"]"#, "AnyNotIn", r#"["b","c"]"#, true);
    check(r#"["a","b"]"#, "AllNotIn", r#"["b","c"]"#, false);
    check("5", "AnyIn", r#""1-10""#, true);
    check("15", "AnyIn", r#""1-10""#, false);
    check("[5,15]", "AnyNotIn", r#""1-10""#, true);
    check(r#""a""#, "AnyIn", r#""[\"a\",\"b\"]""#, true);
    check(r#""a""#, "AllNotIn", r#"["a"]"#, false);
    check(r#""a""#, "AnyIn", "7", false);
    check("[7]", "AnyIn", "7", true);
}

#[test]
fn an_empty_key_list_is_in_nothing_and_all_of_it_is_in_everything() {
    check("[]", "AnyIn", r#"["a"]"#, false);
    check("[]", "AllIn", r#"["a"]"#, true);
    check("[]", "AnyNotIn", r#"["a"]"#, false);
    check("[]", "AllNotIn", r#"["a"]"#, true);
}

#[test]
fn the_old_membership_compares_lists_exactly() {
    check(r#"["a"]"#, "In", r#"["a*"]"#, false);
    check(r#"["a","b"]"#, "In", r#"["a","b","c"]"#, true);
    check(r#"["a","x"]"#, "NotIn", r#"["a"]"#, true);
    check(r#""a""#, "In", r#"["a*"]"#, true);
    check("[1]", "In", "[1]", false);
}

#[test]
fn order_tries_duration_quantity_number_and_version() {
    check(r#""2h""#, "GreaterThan", r#""90m""#, true);
    check(r#""1Gi""#, "LessThan", r#""2Gi""#, true);
    check("3", "LessThanOrEquals", r#""3""#, true);
    check(r#""1.2.3""#, "GreaterThan", r#""1.2.3-rc.1""#, true);
    check(r#""1.10.0""#, "GreaterThan", r#""1.9.0""#, true);
    check("0", "LessThanOrEquals", "0", true);
    check("null", "LessThanOrEquals", "0", false);
    check("[]", "LessThanOrEquals", "0", false);
    check(r#""a""#, "LessThan", r#""b""#, false);
}

#[test]
fn durations_take_numbers_as_seconds() {
    check("90", "DurationGreaterThan", r#""1m""#, true);
    check(r#""1m""#, "DurationLessThanOrEquals", "60", true);
}

// As Kyverno's command line answers.
#[test]
fn ranges_and_texts_that_are_json_count_as_upstream_counts_them() {
    // What cannot be compared lies neither inside nor outside.
    check(r#"["a*"]"#, "AnyNotIn", r#""1-5""#, false);
    check(r#"["7"]"#, "AnyNotIn", r#""1-5""#, true);
    // `1!-5` is no range here.
    check(r#""512Mi""#, "AnyIn", r#""1!-5""#, false);
    check(r#""512Mi""#, "AnyNotIn", r#""1!-5""#, true);
    // A text that is JSON and no list of texts is of no use, however it is asked for.
    for operator in ["AnyIn", "AllIn", "AnyNotIn", "AllNotIn"] {
        check("[]", operator, r#""5""#, false);
        check(r#"["0s",true]"#, operator, r#""5""#, false);
    }
    check(r#"["5"]"#, "AnyIn", r#""5""#, true);
    check(r#"["a"]"#, "AllNotIn", r#""1.10.0""#, true);
}

#[test]
fn numbers_in_texts_compare_with_durations_as_seconds() {
    check(r#""3600""#, "LessThanOrEquals", r#""1h""#, true);
    check(r#""0""#, "DurationLessThanOrEquals", r#""90m""#, true);
}

// Upstream crashes here.
#[test]
fn numbers_in_a_list_are_compared_as_texts_by_the_old_membership() {
    check("[1]", "NotIn", r#"["1.2.3"]"#, true);
    check("[1]", "In", r#"["1","2"]"#, true);
}
