//! The reader against Go's rules, and against `serde_json` on whatever comes.
use super::*;
use proptest::prelude::*;

fn check(text: &str, want: &str) {
    let value = parse_json(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(value.to_json(), want, "{text}");
}

fn refused(text: &[u8]) -> String {
    parse_json(text).expect_err("refused").to_string()
}

#[test]
fn numbers_are_those_of_go() {
    check("[0,-0,1,-1]", "[0,0,1,-1]");
    check("9223372036854775807", "9223372036854775807");
    check("-9223372036854775808", "-9223372036854775808");
    check("9223372036854775808", "9223372036854776000");
    check("18446744073709551616", "18446744073709552000");
    check("[1.0,1e2,1E-2,1.5e+3]", "[1,100,0.01,1500]");
    check("1e-400", "0");
    assert!(matches!(parse_json(b"1.0").unwrap().view(), crate::View::Float(_)));
    assert!(matches!(parse_json(b"9223372036854775808").unwrap().view(), crate::View::Float(_)));
    assert_eq!(refused(b"1e400"), "line 1, column 1: a number is too large");
    for bad in ["01", "-", "1.", ".5", "+1", "1e", "0x10", "NaN", "Infinity", "1_0", "--1", "-01"] {
        assert!(parse_json(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn strings_hold_every_escape_and_half_a_pair_is_replaced() {
    check(r#""\"\\\/\b\f\n\r\t\u0041""#, r#""\"\\/\b\f\n\r\tA""#);
    check(r#""\ud83d\ude00 \uD83D\uDE00""#, "\"\u{1f600} \u{1f600}\"");
    check(r#""\ud83d""#, "\"\u{fffd}\"");
    check(r#""\ud83dx\ude00""#, "\"\u{fffd}x\u{fffd}\"");
    check(r#""\ud83d\ud83d\ude00""#, "\"\u{fffd}\u{1f600}\"");
    for bad in [
        r#""\x""#,
        r#""\u12""#,
        r#""\u+123""#,
        "\"\n\"",
        "\"\u{1}\"",
        "\"",
        "\"\\",
        r#""\u00é0""#,
        "'a'",
    ] {
        assert!(parse_json(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn bytes_that_are_no_utf8_become_replacement_characters() {
    assert_eq!(
        parse_json(b"\"a\xffb\xe2\x82\"").unwrap().as_str(),
        Some("a\u{fffd}b\u{fffd}\u{fffd}")
    );
    assert!(parse_json(b"\xff").is_err());
}

#[test]
fn of_equal_members_the_last_wins_unless_asked() {
    let text = "{\n \"b\": {},\n \"a\": 1, \"b\": 2,\n \"\\u0061\": 3}";
    check(text, r#"{"a":3,"b":2}"#);
    let strict =
        |text: &str| parse_json_strict(text.as_bytes(), Limits::DEFAULT).map_err(|e| e.to_string());
    assert_eq!(strict(text).unwrap_err(), "line 3, column 10: the member \"b\" is there twice");
    assert_eq!(
        strict(r#"[{"a":{"x":1,"x":1}}]"#).unwrap_err(),
        "line 1, column 14: the member \"x\" is there twice"
    );
    assert!(strict(r#"{"a":{"b":1},"b":{"a":1}}"#).is_ok());
}

#[test]
fn errors_name_the_line_and_what_was_expected() {
    let check = |text: &str, want: &str| assert_eq!(refused(text.as_bytes()), want);
    check("", "line 1, column 1: expected a value, found the end of the text");
    check("{\n  \"é\" 1}", "line 2, column 7: expected `:` after a member name, found '1'");
    check("{\"a\":1,}", "line 1, column 8: expected a member name in quotes, found '}'");
    check("[1 2]", "line 1, column 4: expected `,` or `]` after an item, found '2'");
    check("[1,]", "line 1, column 4: expected a value, found ']'");
    check("{\"a\":1 \"b\"}", "line 1, column 8: expected `,` or `}` after a member, found '\"'");
    check("nul", "line 1, column 1: expected `null`");
    check("1 1", "line 1, column 3: unexpected text after the value");
}

#[test]
fn nesting_beyond_the_cap_is_an_error_and_no_overflow() {
    let nested = |open: &str, close: &str, depth: usize| open.repeat(depth) + &close.repeat(depth);
    assert!(parse_json(nested("[", "]", 512).as_bytes()).is_ok());
    assert!(refused(nested("[", "]", 513).as_bytes()).ends_with("nested deeper than 512 levels"));
    assert!(refused("[".repeat(1_000_000).as_bytes()).ends_with("nested deeper than 512 levels"));
    assert!(
        refused("{\"a\":".repeat(1_000_000).as_bytes()).ends_with("nested deeper than 512 levels")
    );
}

#[test]
fn bytes_and_values_are_capped() {
    let small = Limits { bytes: 10, depth: 8, nodes: 4 };
    assert!(parse_json_with(b"[1,2,3]", small).is_ok());
    assert!(
        parse_json_with(b"[1,2,3,4]", small).unwrap_err().message.contains("more than 4 values")
    );
    assert!(parse_json_with(b"[1,2,3]    ", small).unwrap_err().message.contains("11 bytes"));
}

fn from_serde(value: &serde_json::Value) -> Value {
    crate::to_value(value).unwrap()
}

proptest! {
    #[test]
    fn texts_near_json_are_read_as_serde_json_reads_them(text in r#"[\[\]{}",:0-9eE.\-+ tfnu\\a]{0,24}"#) {
        let ours = parse_json(text.as_bytes());
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, from_serde(&theirs)),
            (Err(_), Err(_)) => {}
            // Half a surrogate pair is an error there and U+FFFD here, as in Go.
            (Ok(_), Err(e)) => prop_assert!(text.contains("\\u") || text.contains("\\a"), "{text}: {e}"),
            (Err(e), Ok(_)) => prop_assert!(false, "{text}: {e}"),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse_json(&bytes);
        let _ = parse_json_strict(&bytes, Limits::DEFAULT);
    }
}
