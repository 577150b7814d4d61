//! What the dialect does that the standard does not, or that the peer does not: one claim each.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test code")]

use sigward_document::{Frame, Root, Scope, Value, parse_json};
use sigward_jmespath::{EvaluateError, Expression, Functions, Limits, Offline, Roots};
use smol_str::SmolStr;

fn json(text: &str) -> Value {
    parse_json(text.as_bytes()).unwrap()
}

fn evaluate(given: &str, expression: &str) -> Result<Value, EvaluateError> {
    Expression::parse(expression).unwrap().evaluate(
        &json(given),
        &Functions::standard(),
        &mut Offline::default(),
    )
}

/// Evaluates and compares with JSON.
fn check(given: &str, expression: &str, expected: &str) {
    match evaluate(given, expression) {
        Ok(value) => assert_eq!(value, json(expected), "{expression} over {given}"),
        Err(error) => panic!("{expression} over {given}: {error}"),
    }
}

/// Evaluates and compares the error's text.
fn check_error(given: &str, expression: &str, expected: &str) {
    match evaluate(given, expression) {
        Ok(value) => panic!("{expression} over {given}: no error but {value}"),
        Err(error) => assert_eq!(error.to_string(), expected, "{expression} over {given}"),
    }
}

#[test]
fn a_missing_key_of_an_object_is_an_error() {
    check_error(r#"{"a": {}}"#, "a.b", r#"Unknown key "b" in path"#);
    check_error(r#"{"a": {}}"#, "a.b.c", r#"Unknown key "b" in path"#);
    check_error("{}", "a", r#"Unknown key "a" in path"#);
    check_error(r#"{"a": [{}]}"#, "a[0].b", r#"Unknown key "b" in path"#);
    check_error("{}", "`{}`.x", r#"Unknown key "x" in path"#);
    check_error(r#"{"a": 1}"#, "{b: a}.c", r#"Unknown key "c" in path"#);
}

#[test]
fn a_key_of_what_is_no_object_is_null() {
    check(r#"{"a": 1}"#, "a.b", "null");
    check(r#"{"a": null}"#, "a.b.c", "null");
    check(r#"{"a": [1]}"#, "a.b", "null");
    check(r#"{"a": [1]}"#, "a[*].b", "[]");
    check("[1]", "a", "null");
    check("1", "a.b", "null");
}

#[test]
fn an_index_out_of_range_is_null() {
    check("[1]", "[1]", "null");
    check("[1]", "[-2]", "null");
    check(r#"{"a": 1}"#, "a[0]", "null");
}

#[test]
fn a_multi_select_over_null_is_null() {
    check("null", "[`1`]", "null");
    check("null", "{a: 'x'}", "null");
    check("null", "[sort('x')]", "null");
    check(r#"{"a": null}"#, "a.[b]", "null");
    check("{}", "[`1`]", "[1]");
    check("[]", "{a: 'x'}", r#"{"a": "x"}"#);
}

#[test]
fn operators_take_a_missing_key_for_null() {
    check("{}", "a.b || 'x'", r#""x""#);
    check("{}", "a || b", "null");
    check("{}", "a && b", "null");
    check("{}", "!a", "true");
    check("{}", "a == `null`", "true");
    check("{}", "`1` < a", "null");
    check("{}", "a | b", "null");
    check("{}", "a.b | 'x'", r#""x""#);
    check("{}", "[a, b.c]", "[null, null]");
    check("{}", "{a: a.b}", r#"{"a": null}"#);
    check("{}", "not_null(a.b, 'x')", r#""x""#);
}

#[test]
fn projections_take_a_missing_key_for_null() {
    check(r#"{"l": [{"a": 1}, {}]}"#, "l[*].a", "[1]");
    check(r#"{"l": [{"a": 1}, {}]}"#, "l[?a == `1`].a", "[1]");
    check(r#"{"l": [{"a": 1}, {}]}"#, "l[].a", "[1]");
    check(r#"{"l": {"x": {"a": 1}, "y": {}}}"#, "l.*.a", "[1]");
    check("{}", "l[*].a", "null");
    check("{}", "l[?a].b", "null");
    check("{}", "l[]", "null");
    check("{}", "l.*", "null");
    check("{}", "l[::2]", "null");
}

#[test]
fn the_right_of_and_and_a_path_before_a_projection_pass_it_on() {
    check_error(r#"{"a": 1}"#, "a && b", r#"Unknown key "b" in path"#);
    check_error("{}", "a.b[*]", r#"Unknown key "a" in path"#);
    check(r#"{"a": {}}"#, "a.b[*]", "null");
    check("{}", "a.b[?x]", "null");
}

#[test]
fn the_left_of_flatten_filter_and_value_projections_takes_any_error_for_null() {
    check(r#"{"a": 1}"#, "keys(a)[]", "null");
    check(r#"{"a": 1}"#, "keys(a)[?x]", "null");
    check(r#"{"a": 1}"#, "keys(a).*", "null");
    check_error(
        r#"{"a": 1}"#,
        "keys(a)[*]",
        r#"Invalid type for: 1, expected: []jmespath.JpType{"object"}"#,
    );
}

#[test]
fn ordering_compares_numbers_only() {
    check("{}", "`1` < `2`", "true");
    check("{}", "'1' < '2'", "null");
    check("{}", "`1` < '2'", "null");
    check("{}", "`2` >= `2.0`", "true");
}

#[test]
fn an_integer_equals_the_float_of_its_value() {
    check(r#"{"a": 1}"#, "a == `1.0`", "true");
    check(r#"{"a": [1, {"b": 2}]}"#, r#"a == `[1.0, {"b": 2.0}]`"#, "true");
    check(r#"{"a": 9007199254740993}"#, "a == `9007199254740992`", "false");
    check(r#"{"a": {"b": 1}}"#, r#"a == `{"b": 1, "c": 1}`"#, "false");
    check(r#"{"a": [[1, 2], [3]]}"#, "a[*] == `[[1, 2], [3]]`", "true");
}

#[test]
fn a_wrong_type_reads_like_the_peer() {
    check_error(
        r#"{"a": 1}"#,
        "sort(a)",
        r#"Invalid type for: 1, expected: []jmespath.JpType{"array[string]", "array[number]"}"#,
    );
    check_error(
        r#"{"b": [1.5, "x", null, true, {"k": "v"}]}"#,
        "starts_with(b, 'a')",
        r#"Invalid type for: [1.5 x <nil> true map[k:v]], expected: []jmespath.JpType{"string"}"#,
    );
    check_error(
        r#"{"a": 1234567}"#,
        "keys(a)",
        r#"Invalid type for: 1.234567e+06, expected: []jmespath.JpType{"object"}"#,
    );
    check_error(
        r#"{"a": 1.5e300}"#,
        "keys(a)",
        r#"Invalid type for: 1.5e+300, expected: []jmespath.JpType{"object"}"#,
    );
    check_error(
        r#"{"a": 0.00001}"#,
        "keys(a)",
        r#"Invalid type for: 1e-05, expected: []jmespath.JpType{"object"}"#,
    );
    check_error(
        "{}",
        "keys(a)",
        r#"Invalid type for: <nil>, expected: []jmespath.JpType{"object"}"#,
    );
    check_error(
        "{}",
        "merge(`1`)",
        r#"Invalid type for: 1, expected: []jmespath.JpType{"object"}"#,
    );
}

#[test]
fn a_wrong_call_reads_like_the_peer() {
    check_error("{}", "length('a', 'b')", "incorrect number of args");
    check_error("{}", "not_null()", "Invalid arity.");
    check_error("{}", "nosuch('a')", "unknown function: nosuch");
    check_error("{}", "sort_by(`[{\"a\":1},{}]`, &a)", "error in sort_by comparison");
    check_error("{}", "sort_by(`[{},{\"a\":1}]`, &a)", "invalid type, must be number of string");
    check_error("{}", "max_by(`[{\"a\":1},{}]`, &a)", "invalid type, must be number");
    check_error(r#"{"a": [1]}"#, "a[::0]", "Invalid slice, step cannot be 0");
    check_error("{}", "&a", "an expression reference is not a value");
}

#[test]
fn parse_errors_read_like_the_peers() {
    let check = |text: &str, message: &str, offset: usize| {
        let error = Expression::parse(text).unwrap_err();
        assert_eq!(
            (error.to_string(), error.offset),
            (format!("SyntaxError: {message}"), offset),
            "{text}"
        );
    };
    check("foo bar", "Unexpected token at the end of the expression: tUnquotedIdentifier", 4);
    check("foo[x]", "Expected tStar, received: tUnquotedIdentifier", 4);
    check("foo[", "Expected tStar, received: tEOF", 4);
    check("", "Incomplete expression", 0);
    check("'unclosed", "Unclosed delimiter: '", 9);
    check("a = b", "Unexpected token at the end of the expression: tUnknown", 2);
    check("a.#", "Unknown char: '#'", 2);
    check("a.1", "Expected identifier, lbracket, or lbrace", 2);
    check("\"f\"(a)", "Can't have quoted identifier as function Name.", 0);
}

#[test]
fn a_parse_error_points_at_its_place() {
    let caret = |text: &str| Expression::parse(text).unwrap_err().caret();
    assert_eq!(caret("foo bar"), "foo bar\n    ^");
    assert_eq!(caret("é é"), "é é\n^");
    assert_eq!(caret("a ||\n  b c"), "  b c\n    ^");
    assert_eq!(caret("foo["), "foo[\n    ^");
}

#[test]
fn commas_are_as_lenient_as_the_peers() {
    check("{}", "length('a',)", "1");
    check("{}", "join(',' `[\"a\"]`)", r#""a""#);
    check(r#"{"a": 1}"#, "{a: a b: a}", r#"{"a": 1, "b": 1}"#);
}

#[test]
fn a_raw_string_may_end_in_backslashes() {
    check("{}", r"'\\'", r#""\\\\""#);
    check("{}", r"'a\'b'", r#""a'b""#);
    check("{}", r"'\d'", r#""\\d""#);
    check("{}", r"'\\\''", r#""\\\\'""#);
}

#[test]
fn value_projections_see_each_member_once() {
    check(r#"{"a": {"c": 2, "b": 1}}"#, "a.*.to_string(@)", r#"["1", "2"]"#);
}

#[test]
fn contains_finds_lists_and_objects() {
    check(r#"{"a": [[1], {"b": 2}]}"#, "contains(a, `[1]`)", "true");
    check(r#"{"a": [[1], {"b": 2}]}"#, r#"contains(a, `{"b": 2}`)"#, "true");
    check(r#"{"a": [[1], {"b": 2}]}"#, "contains(a, `{}`)", "false");
}

#[test]
fn the_average_of_nothing_is_null() {
    check("{}", "avg(`[]`)", "null");
}

#[test]
fn sorting_leaves_the_document_alone() {
    check(r#"{"a": [{"k": 2}, {"k": 1}]}"#, "[sort_by(a, &k)[0].k, a[0].k]", "[1, 2]");
}

#[test]
fn to_string_prints_as_go_does() {
    check("{}", "to_string({a: '<&>'})", r#""{\"a\":\"\\u003c\\u0026\\u003e\"}""#);
    check("{}", "to_string(`1e21`)", r#""1e+21""#);
    check("{}", "to_string(`1.0`)", r#""1""#);
    check("{}", "to_string(`null`)", r#""null""#);
}

#[test]
fn a_number_out_of_range_is_no_number() {
    check("{}", "to_number('1e400')", "null");
    check("{}", "to_number('-.5')", "-0.5");
    check("{}", "to_number(' 1')", "null");
}

/// A root that must not be joined.
struct Unjoined(Value);

impl Root for Unjoined {
    fn member(&self, name: &str) -> Option<&Value> {
        self.0.member(name)
    }
    fn whole(&self) -> Value {
        panic!("the root was joined")
    }
}

#[test]
fn dotted_paths_do_not_join_the_root() {
    let root = Unjoined(json(r#"{"request": {"object": {"a": [{"b": 1}]}}, "x": 1}"#));
    for text in [
        "request.object",
        "@.request.object.a[*].b",
        "request.object.a[?b == `1`] | length(@)",
        "x && request.object.nosuch || 'default'",
        "[x, request].{a: @}",
        "map(&b, request.object.a)",
    ] {
        let expression = Expression::parse(text).unwrap();
        expression.evaluate(&root, &Functions::standard(), &mut Offline::default()).unwrap();
    }
}

#[test]
fn a_bare_current_value_sees_all_frames_of_a_scope() {
    let bottom = Scope::bottom(json(r#"{"request": 1, "a": 1}"#));
    let scope = Scope::over(&bottom, Frame::Hides, json(r#"{"a": 2}"#));
    let check = |text: &str, expected: &str| {
        let expression = Expression::parse(text).unwrap();
        let value =
            expression.evaluate(&scope, &Functions::standard(), &mut Offline::default()).unwrap();
        assert_eq!(value, json(expected), "{text}");
    };
    check("@", r#"{"request": 1, "a": 2}"#);
    check("keys(@)", r#"["a", "request"]"#);
    check("*", "[2, 1]");
    check("a", "2");
    check("@ == @", "true");
    check("[@][0].a", "2");
}

#[test]
fn roots_names_what_may_be_read() {
    let names = |list: &[&str]| Roots::Names(list.iter().map(SmolStr::new).collect());
    let check = |text: &str, expected: Roots| {
        assert_eq!(Expression::parse(text).unwrap().roots(), expected, "{text}");
    };
    check("a.b || c[0].d", names(&["a", "c"]));
    check("a[?x == y].z | w", names(&["a"]));
    check("map(&q, a) && {k: b}", names(&["a", "b"]));
    check("'literal'", names(&[]));
    check("@.a", names(&["a"]));
    check("a | @", names(&["a"]));
    check("length(@)", Roots::All);
    check("*", Roots::All);
    check("[0]", Roots::All);
    check("[?a]", Roots::All);
    check("a || @", Roots::All);
}

#[test]
fn nesting_is_limited_before_the_stack_is() {
    for text in [
        "(".repeat(100_000),
        "!".repeat(100_000),
        "[".repeat(100_000),
        "a[".repeat(100_000),
        "f(".repeat(100_000),
        format!("a{}", "==a".repeat(100_000)),
        format!("a{}", "[*]".repeat(50_000)),
        format!("a{}", "[]".repeat(50_000)),
        "&".repeat(100_000),
    ] {
        assert!(Expression::parse(&text).is_err());
    }
}

#[test]
fn long_rows_are_not_deep() {
    check(r#"{"a": 1}"#, &format!("a{}", " || a".repeat(10_000)), "1");
    check(r#"{"a": 1}"#, &format!("a{}", " && a".repeat(10_000)), "1");
    check(r#"{"a": 1}"#, &format!("a{}", " | @".repeat(10_000)), "1");
    check(r"[1]", &format!("@{}", "[0]".repeat(10_000)), "null");
    check(r#"{"a": 1}"#, &format!("a{}", ".b".repeat(10_000)), "null");
}

#[test]
fn a_short_text_cannot_build_a_huge_value() {
    for stage in ["[@, @]", "{a: @, b: @}", "[*][]", "to_string([@, @])", "map(&[@, @], [@, @])"] {
        let text = format!("[`1`, `2`]{}", format!(" | {stage}").repeat(200));
        match evaluate("{}", &text) {
            Ok(_) if stage == "[*][]" => {}
            Err(EvaluateError::Budget { .. }) => {}
            other => panic!("{stage}: {other:?}"),
        }
    }
    let doubled = format!("[`1`]{}", " | [@, @]".repeat(60));
    let both = format!("({doubled}) == ({doubled})");
    assert!(matches!(evaluate("{}", &both), Err(EvaluateError::Budget { .. })));
}

#[test]
fn a_built_value_cannot_be_too_deep() {
    let text = format!("`1`{}", " | [@]".repeat(5_000));
    assert!(Expression::parse(&text).is_err());
    let limits = Limits { depth: 10, ..Limits::default() };
    let text = format!("`1`{}", " | [@]".repeat(11));
    let outcome = Expression::parse(&text).unwrap().evaluate_within(
        &Value::NULL,
        &Functions::standard(),
        &mut Offline::default(),
        limits,
    );
    assert!(matches!(outcome, Err(EvaluateError::Budget { what: "depth" })), "{outcome:?}");
}

#[test]
fn work_is_limited() {
    let list = format!("[{}]", vec!["1"; 3_000].join(","));
    let outcome = evaluate(
        &format!(r#"{{"l": {list}}}"#),
        "l[?contains($l, @)]".replace("$l", "`[1,2]`").as_str(),
    );
    assert!(outcome.is_ok());
    let nested = evaluate(
        &list,
        "map(&length([@,@,@]), @) | map(&map(&length([@]), `[1,2,3,4,5,6,7,8,9]`), @) | length(@)",
    );
    assert!(nested.is_ok());
    let limits = Limits { steps: 1_000, ..Limits::default() };
    let outcome = Expression::parse("[*].to_string(@)").unwrap().evaluate_within(
        &json(&list),
        &Functions::standard(),
        &mut Offline::default(),
        limits,
    );
    assert!(matches!(outcome, Err(EvaluateError::Budget { what: "steps" })), "{outcome:?}");
}
