//! Answers recorded from Go's libraries (sigs.k8s.io/yaml 1.6.0, go-yaml 3.0.4), and laws.
use super::*;
use crate::value::tests::any_value;
use crate::{Escape, parse_json};
use proptest::prelude::*;

/// YAML, and the JSON that `sigs.k8s.io/yaml` makes of it.
#[rustfmt::skip]
const READ: &[(&str, &str)] = &[
    ("a: 1\n<<: {a: 2, b: 3}", "{\"a\":2,\"b\":3}"),
    ("<<: {a: 2}\na: 1", "{\"a\":1}"),
    ("<<: [{a: 1}, {a: 2, b: 3}]", "{\"a\":1,\"b\":3}"),
    ("x: &x {a: 1}\ny:\n  <<: *x\n  b: 2\nz: *x", "{\"true\":{\"a\":1,\"b\":2},\"x\":{\"a\":1},\"z\":{\"a\":1}}"),
    ("yes: y\nn: 0777\n1.5: 08\n1e3: 1e3", "{\"1.5\":8,\"1000\":1000,\"false\":511,\"true\":true}"),
    ("~a: ~\nb:\nc: null\nd: Null\ne: ''", "{\"b\":null,\"c\":null,\"d\":null,\"e\":\"\",\"~a\":null}"),
    ("a: 1_000\nb: 0x1F\nc: 0o17\nd: 0b11\ne: 1.0\nf: .5\ng: 12345678901234567890", "{\"a\":1000,\"b\":31,\"c\":15,\"d\":3,\"e\":1,\"f\":0.5,\"g\":12345678901234567890}"),
    ("a: +1\nb: -0\nc: 1e3\nd: -0b11\ne: 1__0\nf: 1e400\ng: 1.\nh: 12:30", "{\"a\":1,\"b\":0,\"c\":1000,\"d\":-3,\"e\":10,\"f\":\"1e400\",\"g\":1,\"h\":\"12:30\"}"),
    ("a: 2001-01-01\nb: 2001-01-01T00:00:00Z", "{\"a\":\"2001-01-01\",\"b\":\"2001-01-01T00:00:00Z\"}"),
    ("a: !!str 5\nb: ! 5\nc: !foo 5\nd: !!int \"5\"\ne: !!binary aGk=\nf: !!float 3", "{\"a\":\"5\",\"b\":\"5\",\"c\":\"5\",\"d\":5,\"e\":\"hi\",\"f\":3}"),
    ("a: 'yes'\nb: \"1\"\nc: |\n  true\n", "{\"a\":\"yes\",\"b\":\"1\",\"c\":\"true\\n\"}"),
    ("- a\n b", "[\"a b\"]"),
    ("a: \"x\\\n  y\"", "{\"a\":\"xy\"}"),
    ("{a: b, c}", "{\"a\":\"b\",\"c\":null}"),
    ("[a: b, c]", "[{\"a\":\"b\"},\"c\"]"),
    ("{a:b}", "{\"a:b\":null}"),
    ("{a:1, \"b\":2}", "{\"a:1\":null,\"b\":2}"),
    ("a:\tb", "{\"a\":\"b\"}"),
    ("? a\n: b", "{\"a\":\"b\"}"),
    ("a: |\n  x\n   y\n\n  z", "{\"a\":\"x\\n y\\n\\nz\"}"),
    ("a: |-\n  x\n\n", "{\"a\":\"x\"}"),
    ("a: |+\n  x\n\n", "{\"a\":\"x\\n\\n\"}"),
    ("a: >\n  x\n  y\n\n  z\n   w\n", "{\"a\":\"x y\\nz\\n w\\n\"}"),
    ("a: |2\n   x\n", "{\"a\":\" x\\n\"}"),
    ("a: |", "{\"a\":\"\"}"),
    ("- - a\n  - b\n-\n- c: d\n  e: f\n", "[[\"a\",\"b\"],null,{\"c\":\"d\",\"e\":\"f\"}]"),
    ("a:\n- b\n- c\nd: e", "{\"a\":[\"b\",\"c\"],\"d\":\"e\"}"),
    ("a: b # c\n# d\ne: f#g", "{\"a\":\"b\",\"e\":\"f#g\"}"),
    ("\u{feff}a: b", "{\"a\":\"b\"}"),
    ("a: b\r\nc: d\r\n", "{\"a\":\"b\",\"c\":\"d\"}"),
    ("\"a\\u00e9\\x41\\n\": 'it''s'", "{\"aéA\\n\":\"it's\"}"),
    ("a: 'x\n  y\n\n  z'", "{\"a\":\"x y\\nz\"}"),
    ("a: x\n  y\n\n  z", "{\"a\":\"x y\\nz\"}"),
    ("a: \"\\U0001F600\"", "{\"a\":\"😀\"}"),
    ("key with spaces: {nested: [1, two, {three: 3}]}", "{\"key with spaces\":{\"nested\":[1,\"two\",{\"three\":3}]}}"),
    ("%YAML 1.1\n%TAG !e! tag:yaml.org,2002:\n---\na: !e!str 1\n", "{\"a\":\"1\"}"),
    ("--- |\n x\n", "\"x\\n\""),
    ("a: &b c\nd: *b", "{\"a\":\"c\",\"d\":\"c\"}"),
    ("1234567.0: 1\n0.00001: 2\n0x10: 3", "{\"1.234567e+06\":1,\"16\":3,\"1e-05\":2}"),
];

/// YAML that is none, for `sigs.k8s.io/yaml` as well, and what we say.
#[rustfmt::skip]
const REFUSED: &[(&str, &str)] = &[
    ("~: 1", "line 1, column 1: a key is null"),
    ("a: .nan", "line 1, column 4: JSON has no NaN and no infinity"),
    ("a: &x [*x]", "line 1, column 8: anchor 'x' value contains itself"),
    ("a: *x", "line 1, column 4: unknown anchor 'x' referenced"),
    ("\ta: b", "line 1, column 1: found character that cannot start any token"),
    ("a: b: c", "line 1, column 5: mapping values are not allowed in this context"),
    ("a: @x", "line 1, column 4: found character that cannot start any token"),
    ("%FOO 1\n---\na: 1", "line 1, column 1: found unknown directive name"),
    ("a: [1,2", "line 1, column 8: did not find expected ',' or ']'"),
    ("\"a", "line 1, column 1: found unexpected end of stream in a quoted scalar"),
    ("? [a]\n: b", "line 1, column 3: a key is a list or a map"),
    ("<<: 1", "line 1, column 1: map merge requires map or sequence of maps as the value"),
    (": a", "line 1, column 1: did not find expected key"),
    ("a: b\n c: d", "line 2, column 3: mapping values are not allowed in this context"),
    ("- a\nb: c", "line 2, column 1: did not find expected '-' indicator"),
    ("a:\n  - b\n - c", "line 3, column 2: did not find expected key"),
    ("a: |x\n  b", "line 1, column 5: did not find expected comment or line break"),
    ("a: !!int x", "line 1, column 10: cannot decode `x` as a !!int"),
    ("a: 'b\n---\nc'", "line 1, column 4: found unexpected document indicator in a quoted scalar"),
    ("\"\\q\"", "line 1, column 2: found unknown escape character"),
    ("a: %b", "line 1, column 4: found character that cannot start any token"),
    ("key\nother: x", "line 2, column 6: mapping values are not allowed in this context"),
    ("a: {b: c", "line 1, column 9: did not find expected ',' or '}'"),
    ("a: ]", "line 1, column 4: did not find expected node content"),
    ("a: |\n\tx", "line 2, column 1: found a tab character where an indentation space is expected"),
    ("\u{1}a: b", "line 1, column 1: control characters are not allowed"),
];

/// JSON, `sigs.k8s.io/yaml`, go-yaml 3.
#[rustfmt::skip]
const PRINTED: &[(&str, &str, &str)] = &[
    ("{\"autogen-x\": \"failed to verify image a:b: .attestors[0].entries[0].keys: no signatures found\"}", "autogen-x: 'failed to verify image a:b: .attestors[0].entries[0].keys: no signatures\n  found'\n", "autogen-x: 'failed to verify image a:b: .attestors[0].entries[0].keys: no signatures found'\n"),
    ("{\"p\": {\"r2\": \"m\", \"r10\": \"n\"}}", "p:\n  r2: m\n  r10: \"n\"\n", "p:\n  r2: m\n  r10: \"n\"\n"),
    ("{\"a\": \"x\\ny\", \"b\": \"x\\ny\\n\", \"c\": \"x\\n\\n\", \"d\": \"\\nx\", \"e\": \" x\\ny\", \"f\": \"x \\ny\"}", "a: |-\n  x\n  y\nb: |\n  x\n  y\nc: |+\n  x\n\nd: |2-\n\n  x\ne: |2-\n   x\n  y\nf: \"x \\ny\"\n", "a: |-\n  x\n  y\nb: |\n  x\n  y\nc: |+\n  x\n\nd: |2-\n\n  x\ne: |2-\n   x\n  y\nf: \"x \\ny\"\n"),
    ("{\"a\": \"\", \"b\": \"yes\", \"c\": \"1\", \"d\": \"1.5\", \"e\": \"null\", \"f\": \"~\", \"g\": \"0x1f\", \"h\": \"2020-01-01\", \"i\": \"12:30\", \"j\": \"true\"}", "a: \"\"\nb: \"yes\"\nc: \"1\"\nd: \"1.5\"\ne: \"null\"\nf: \"~\"\ng: \"0x1f\"\nh: \"2020-01-01\"\ni: \"12:30\"\nj: \"true\"\n", "a: \"\"\nb: \"yes\"\nc: \"1\"\nd: \"1.5\"\ne: \"null\"\nf: \"~\"\ng: \"0x1f\"\nh: \"2020-01-01\"\ni: \"12:30\"\nj: \"true\"\n"),
    ("{\"a\": \"- b\", \"b\": \"#c\", \"c\": \"a #b\", \"d\": \"a: b\", \"e\": \"a:b\", \"f\": \"'q'\", \"g\": \"{x}\", \"h\": \"@a\", \"i\": \"a\\tb\", \"j\": \"é\", \"k\": \"😀\", \"l\": \" s\", \"m\": \"t \", \"n\": \"-\", \"o\": \"?\", \"p\": \"!x\", \"q\": \"*a\", \"r\": \"%\", \"s\": \"\\u0007\"}", "a: '- b'\nb: '#c'\nc: 'a #b'\nd: 'a: b'\ne: a:b\nf: '''q'''\ng: '{x}'\nh: '@a'\ni: \"a\\tb\"\nj: é\nk: \"\\U0001F600\"\nl: ' s'\nm: 't '\n\"n\": '-'\no: '?'\np: '!x'\nq: '*a'\nr: '%'\ns: \"\\a\"\n", "a: '- b'\nb: '#c'\nc: 'a #b'\nd: 'a: b'\ne: a:b\nf: '''q'''\ng: '{x}'\nh: '@a'\ni: \"a\\tb\"\nj: é\nk: \"\\U0001F600\"\nl: ' s'\nm: 't '\n\"n\": '-'\no: '?'\np: '!x'\nq: '*a'\nr: '%'\ns: \"\\a\"\n"),
    ("{\"a10\": 1, \"a2\": 2, \"A\": 3, \"b-1\": 4, \"b_1\": 5, \"1\": 6, \"10\": 7, \"2\": 8, \"a01\": 9, \"é\": 10}", "\"1\": 6\n\"2\": 8\n\"10\": 7\nA: 3\na01: 9\na2: 2\na10: 1\nb-1: 4\nb_1: 5\né: 10\n", "\"1\": 6\n\"2\": 8\n\"10\": 7\nA: 3\na01: 9\na2: 2\na10: 1\nb-1: 4\nb_1: 5\né: 10\n"),
    ("{\"a\": [1, [2, 3], {\"b\": 4, \"c\": [5]}, [], {}], \"d\": {}, \"e\": null, \"f\": true, \"g\": 1.5, \"h\": 1e+21, \"i\": 1234567.5}", "a:\n- 1\n- - 2\n  - 3\n- b: 4\n  c:\n  - 5\n- []\n- {}\nd: {}\ne: null\nf: true\ng: 1.5\nh: 1e+21\ni: 1.2345675e+06\n", "a:\n  - 1\n  - - 2\n    - 3\n  - b: 4\n    c:\n      - 5\n  - []\n  - {}\nd: {}\ne: null\nf: true\ng: 1.5\nh: 1e+21\ni: 1.2345675e+06\n"),
    ("[{\"a\": 1}, {\"b\": [1]}]", "- a: 1\n- b:\n  - 1\n", "- a: 1\n- b:\n    - 1\n"),
    ("\"x\"", "x\n", "x\n"),
    ("[\"a\\nb\"]", "- |-\n  a\n  b\n", "- |-\n  a\n  b\n"),
    ("{\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\": 1, \"m\\nn\": 2}", "? kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\n: 1\n? |-\n  m\n  n\n: 2\n", "? kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\n: 1\n? |-\n  m\n  n\n: 2\n"),
    ("{\"m\": \"word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word \"}", "m: 'word word word word word word word word word word word word word word word word\n  word word word word word word word word word word word word word word '\n", "m: 'word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word '\n"),
];

fn lenient() -> YamlOptions {
    YamlOptions { duplicates: Duplicates::LastWins, ..YamlOptions::default() }
}

fn read(text: &str) -> Value {
    parse_yaml_with(text, lenient()).unwrap_or_else(|e| panic!("{text:?}: {e}")).value
}

fn refused(text: &str) -> String {
    parse_yaml(text).map(|written| written.value).expect_err(text).to_string()
}

#[test]
fn texts_are_read_as_go_reads_them() {
    for (text, json) in READ {
        // Through JSON, as Go goes: an integer beyond 64 bits becomes a float there.
        assert_eq!(
            read(text).to_json(),
            parse_json(json.as_bytes()).unwrap().to_json(),
            "{text:?}"
        );
    }
}

#[test]
fn what_go_refuses_is_refused_with_the_place() {
    for (text, message) in REFUSED {
        assert_eq!(refused(text), *message, "{text:?}");
    }
}

#[test]
fn values_print_as_go_prints_them() {
    for (json, kubernetes, go_yaml_3) in PRINTED {
        let value = parse_json(json.as_bytes()).unwrap();
        assert_eq!(to_yaml_with(&value, YamlStyle::Kubernetes), *kubernetes);
        assert_eq!(to_yaml(&value), *go_yaml_3);
    }
    // With go-yaml's own indent: four columns, but two behind a dash, and then to the next multiple of four.
    let value =
        read("a: {b: [[1, [2]], {k: \"x\\n\", m: {o: [1]}}], l: \"  q\\nr\"}\nc: \"e f\"\n");
    let wide = "\
a:
    b:
        - - 1
          - - 2
        - k: |
            x
          m:
            o:
                - 1
    l: |4-
          q
        r
c: e f
";
    assert_eq!(to_yaml_with(&value, YamlStyle::GoYaml3Wide), wide);
}

#[test]
fn the_last_line_of_a_block_without_a_newline_gets_none() {
    assert_eq!(read("a: |\n  x").to_json(), r#"{"a":"x"}"#);
    assert_eq!(read("a: |\n  x\n  ").to_json(), r#"{"a":"x\n"}"#);
    assert_eq!(read("a: >+\n  x").to_json(), r#"{"a":"x"}"#);
    assert_eq!(read("a: |\n  x\n    ").to_json(), r#"{"a":"x\n  "}"#);
}

#[test]
fn a_duplicate_key_is_an_error_with_its_place_unless_asked() {
    let text = "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n";
    assert_eq!(refused(text), "line 5, column 3: key \"c\" already set in map");
    assert_eq!(read(text).to_json(), r#"{"a":1,"b":{"c":3,"d":2}}"#);
    assert_eq!(refused("{yes: 1, true: 2}"), "line 1, column 10: key \"true\" already set in map");
    // What a merge key brings is no duplicate.
    assert!(parse_yaml("b: &b {c: 1}\nd:\n  <<: *b\n  c: 2\n").is_ok());
}

#[test]
fn one_broken_document_does_not_lose_the_others() {
    let text = "---\na: 1\n---\nb: [\n---\nc: \t@\n---\n\n---\n# nothing\n--- # comment\nd: 4\n...\n---\ne: 5\n";
    let documents: Vec<String> = parse_yaml_stream(text)
        .into_iter()
        .map(|document| document.map_or_else(|e| e.to_string(), |written| written.value.to_json()))
        .collect();
    assert_eq!(
        documents,
        [
            r#"{"a":1}"#,
            "line 5, column 1: did not find expected node content",
            "line 6, column 5: found character that cannot start any token",
            r#"{"d":4}"#,
            r#"{"e":5}"#,
        ]
    );
}

#[test]
fn an_empty_text_is_null_and_holds_no_document() {
    for text in ["", "\n", "# nothing\n", "---\n", "\u{feff}"] {
        assert_eq!(parse_yaml(text).unwrap().value, Value::NULL, "{text:?}");
        assert!(parse_yaml_stream(text).is_empty(), "{text:?}");
    }
    assert_eq!(parse_yaml_stream("null").len(), 1);
}

#[test]
fn a_second_document_is_refused_where_one_is_expected() {
    assert_eq!(
        refused("a: 1\n---\nb: 2\n"),
        "line 3, column 1: expected one document, found another"
    );
    assert_eq!(parse_yaml("---\na: 1\n---\n").unwrap().value.to_json(), r#"{"a":1}"#);
}

#[test]
fn exploding_aliases_are_stopped() {
    let mut lines = vec!["a0: &a0 [x,x,x,x,x,x,x,x,x,x]".to_owned()];
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        lines.push(format!("a{level}: &a{level} [{}]", [before.as_str(); 10].join(",")));
    }
    let text = lines.join("\n");
    assert!(refused(&text).ends_with("document contains excessive aliasing"));
    let merges = format!(
        "a: &a {{{}}}\nb: [{}]\n",
        "{k}: 1".replace("{k}", "k"),
        "{<<: *a},".repeat(300_000)
    );
    assert!(refused(&merges).ends_with("document contains excessive aliasing"));
}

#[test]
fn a_number_that_json_lacks_may_be_a_key_and_no_value() {
    assert_eq!(read(".inf: 1\n-.INF: 2\n.nan: 3").to_json(), r#"{"-.inf":2,".inf":1,".nan":3}"#);
    for text in
        [".inf", "- .nan", "[.inf]", "a: -.inf", "- [a]\n- - .inf", "a: &x .inf", "? .inf\n: .inf"]
    {
        assert!(refused(text).ends_with("JSON has no NaN and no infinity"), "{text}");
    }
}

#[test]
fn an_alias_shares_the_node() {
    let value = read("a: &x {b: [1]}\nc: *x\nd: {<<: *x}\n");
    assert!(value.get("a").unwrap().same(value.get("c").unwrap()));
    assert!(value.at_path(&["a", "b"]).unwrap().same(value.at_path(&["d", "b"]).unwrap()));
}

#[test]
fn nesting_is_capped_in_every_form() {
    for (text, form) in [
        ("[".repeat(100_000), "flow lists"),
        ("{a: ".repeat(100_000), "flow maps"),
        ("- ".repeat(100_000), "lists"),
        ("[a: ".repeat(100_000), "pairs"),
        ("? ".repeat(100_000), "keys"),
        ((0..2_000).map(|n| " ".repeat(n) + "a:").collect::<Vec<_>>().join("\n"), "maps"),
    ] {
        assert!(refused(&text).contains("nested"), "{form}: {}", refused(&text));
    }
    assert!(parse_yaml(&("[".repeat(128) + &"]".repeat(128))).is_ok());
}

#[test]
fn every_node_knows_its_place() {
    let text = "kind: Pod\nspec:\n  containers:\n  - name: 'é'\n    image: b:1 # c\n  - {name: d}\nblock: |\n  x\n";
    let written = parse_yaml(text).unwrap();
    let check = |pointer: &str, want: &str, place: (u32, u32)| {
        let span = written.span_of(pointer);
        assert_eq!(text.get(span.start as usize..span.end as usize), Some(want), "{pointer}");
        assert_eq!(crate::line_column(text, span.start), place, "{pointer}");
    };
    check("/kind", "Pod", (1, 7));
    check("/spec/containers/0/name", "'é'", (4, 11));
    check("/spec/containers/0/image", "b:1", (5, 12));
    check("/spec/containers/1", "{name: d}", (6, 5));
    check("/spec/containers/1/name", "d", (6, 12));
    check("/spec/containers/0", "name: 'é'\n    image: b:1", (4, 5));
    // What is not there is shown by what lacks it.
    check("/spec/containers/1/image", "{name: d}", (6, 5));
}

#[test]
fn spans_have_the_shape_of_the_tree() {
    fn shape(value: &Value, spans: &crate::Spans) {
        let below: Vec<&Value> = match (value.as_list(), value.as_map()) {
            (Some(items), _) => items.iter().collect(),
            (None, Some(map)) => map.values().collect(),
            (None, None) => Vec::new(),
        };
        assert_eq!(below.len(), spans.1.len());
        below.into_iter().zip(&spans.1).for_each(|(value, spans)| shape(value, spans));
    }
    for (text, _) in READ {
        let written = parse_yaml_with(text, lenient()).unwrap();
        shape(&written.value, &written.spans);
    }
}

#[test]
fn text_that_is_too_large_is_refused() {
    let limits = YamlLimits { bytes: 10, nodes: 4, ..YamlLimits::default() };
    let options = YamlOptions { limits, ..YamlOptions::default() };
    assert!(parse_yaml_with("[1,2,3]", options).is_ok());
    assert!(
        parse_yaml_with("[1,2,3,4]", options).unwrap_err().message.contains("more than 4 values")
    );
    assert!(parse_yaml_with("aaaaaaaaaaa", options).unwrap_err().message.contains("11 bytes"));
}

#[test]
fn a_block_that_begins_with_a_tab_is_quoted() {
    for text in ["\tx\ny", "\n\tx", "a\n\tb"] {
        let value = Value::build().member("k", text).finish();
        assert_eq!(read(&to_yaml(&value)), value, "{text:?}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(value in any_value()) {
        for style in [YamlStyle::GoYaml3, YamlStyle::GoYaml3Wide, YamlStyle::Kubernetes] {
            let text = to_yaml_with(&value, style);
            let back = read(&text);
            prop_assert_eq!(back.to_json_with(Escape::Plain), value.to_json(), "{}", text);
        }
    }

    #[test]
    fn json_is_yaml(value in any_value()) {
        // Without the escapes that YAML does not know, and without what YAML folds.
        let text = value.to_json();
        prop_assume!(!text.contains('\u{7f}'));
        if let Ok(written) = parse_yaml(&text) {
            prop_assert_eq!(written.value.to_json(), text);
        }
    }

    #[test]
    fn no_text_makes_it_panic_or_loop(text in r#"[-?:,\[\]{}#&*!|>'"%@` \t\nab1~.<0é]{0,40}"#) {
        let _ = parse_yaml(&text);
        for document in parse_yaml_stream(&text).into_iter().flatten() {
            let printed = to_yaml(&document.value);
            let back = read(&printed);
            prop_assert_eq!(back, document.value, "{:?} printed {:?}", text, printed);
        }
    }
}
