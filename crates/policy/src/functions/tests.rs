//! What the peer's own functions answered (Kyverno 1.19.1, linked into a small program), and what ours do.
use super::{ImageDefaults, registry, registry_with};
use sigward_document::{Value, parse_json};
use sigward_jmespath::{CallSite, EvaluateError, Expression, Host, Offline, Suspended};
use std::net::IpAddr;

/// Evaluates over a tree.
pub(super) fn evaluate_over(root: &Value, expression: &str) -> Result<Value, EvaluateError> {
    Expression::parse(expression).unwrap().evaluate(root, &registry(), &mut Offline::default())
}

/// Evaluates over an empty object.
fn evaluate(expression: &str) -> Result<Value, EvaluateError> {
    evaluate_over(&Value::empty_map(), expression)
}

/// Evaluates and compares with JSON, or with the text of the error.
fn check(expression: &str, expected: Result<&str, &str>) {
    let expected = expected.map(|json| parse_json(json.as_bytes()).unwrap()).map_err(str::to_owned);
    assert_eq!(evaluate(expression).map_err(|error| error.to_string()), expected, "{expression}");
}

#[test]
fn strings_are_those_of_the_peer() {
    for (expression, expected) in [
        ("path_canonicalize('///a//b/../c/./')", Ok(r#""/a/c""#)),
        ("path_canonicalize('')", Ok(r#""""#)),
        ("path_canonicalize('../..//a')", Ok(r#""../../a""#)),
        ("truncate('héllo', `2`)", Ok(r#""hé""#)),
        ("truncate('héllo', `-2`)", Ok(r#""""#)),
        ("truncate('héllo', `2.7`)", Ok(r#""hé""#)),
        ("split('a,b,c', '')", Ok(r#"["a", ",", "b", ",", "c"]"#)),
        ("split('', ',')", Ok(r#"[""]"#)),
        ("split('a,b', ',')", Ok(r#"["a", "b"]"#)),
        ("replace('aaa','a','b',`2`)", Ok(r#""bba""#)),
        ("replace('aaa','','b',`2`)", Ok(r#""babaa""#)),
        ("replace('aaa','a','b',`1.9`)", Ok(r#""baa""#)),
        ("replace_all('aaa','','-')", Ok(r#""-a-a-a-""#)),
        ("trim('  a ', ' ')", Ok(r#""a""#)),
        ("trim('xxaxx', 'x')", Ok(r#""a""#)),
        ("trim('aéa', 'aé')", Ok(r#""""#)),
        ("equal_fold('ſ','S')", Ok("true")),
        ("equal_fold('K','k')", Ok("true")),
        ("to_upper('ßé')", Ok(r#""ßÉ""#)),
        ("to_lower('İ')", Ok(r#""i""#)),
        ("to_boolean('TRUE')", Ok("true")),
        (
            "to_boolean('yes')",
            Err(
                "JMESPath function 'to_boolean': lowercase argument must be 'true' or 'false' (provided: 'yes')",
            ),
        ),
        ("replace_all('a.b.c','.','')", Ok(r#""abc""#)),
        ("trim_prefix('v1','v')", Ok(r#""1""#)),
        ("trim_prefix('1','v')", Ok(r#""1""#)),
        ("to_upper('abc é')", Ok(r#""ABC É""#)),
        ("to_lower('ABC É')", Ok(r#""abc é""#)),
        ("equal_fold('a','b')", Ok("false")),
        ("equal_fold('a','ab')", Ok("false")),
        ("truncate('', `3`)", Ok(r#""""#)),
        ("path_canonicalize('/')", Ok(r#""/""#)),
        ("path_canonicalize('./')", Ok(r#"".""#)),
        ("path_canonicalize('/../a')", Ok(r#""/a""#)),
        ("path_canonicalize('a/../..')", Ok(r#""..""#)),
    ] {
        check(expression, expected);
    }
}

#[test]
fn lists_are_those_of_the_peer() {
    for (expression, expected) in [
        (r#"label_match(`{"a":"b"}`, `{"a":"b","c":1}`)"#, Ok("true")),
        (r#"lookup(`{"a":1}`, 'b')"#, Ok("null")),
        (
            "lookup(`[1,2]`, `1.5`)",
            Err("JMESPath function 'lookup': argument #2: expected an integer number but got: 1.5"),
        ),
        ("lookup(`[1,2]`, `-1`)", Ok("null")),
        (
            "lookup(`[1,2]`, 'a')",
            Err("JMESPath function 'lookup': argument #2 is not of type Number"),
        ),
        (
            r#"lookup(`{"a":1}`, `1`)"#,
            Err("JMESPath function 'lookup': argument #2 is not of type String"),
        ),
        (r#"items(`[1,"b"]`, 'i','v')"#, Ok(r#"[{"i": 0, "v": 1}, {"i": 1, "v": "b"}]"#)),
        (r#"items(`{"b":1,"a":2}`, 'k','k')"#, Ok(r#"[{"k": 2}, {"k": 1}]"#)),
        (
            r#"object_from_lists(`["a",1,true,1.5,1e7]`, `[1,2]`)"#,
            Ok(r#"{"1": 2, "1.5": null, "10000000": null, "a": 1, "true": null}"#),
        ),
        (
            r#"object_from_lists(`["a",null]`, `[1,2]`)"#,
            Err("JMESPath function 'object_from_lists': argument #1 is not of type StringArray"),
        ),
        (r#"label_match(`{"a":"b"}`, `{"a":"c"}`)"#, Ok("false")),
        ("label_match(`{}`, `{}`)", Ok("true")),
        (r#"label_match(`{"a":1}`, `{"a":1.0}`)"#, Ok("true")),
        ("lookup(`[1,2]`, `1`)", Ok("2")),
        ("lookup(`[1,2]`, `9`)", Ok("null")),
        ("items(`{}`, 'a','b')", Ok("[]")),
        ("object_from_lists(`[]`, `[]`)", Ok("{}")),
    ] {
        check(expression, expected);
    }
}

#[test]
fn the_pairs_of_an_object_come_sorted_by_key() {
    check(
        r#"items(`{"c":1,"a":2,"b":3}`, 'k', 'v')"#,
        Ok(r#"[{"k": "a", "v": 2}, {"k": "b", "v": 3}, {"k": "c", "v": 1}]"#),
    );
    // The peer's projection has the order of a Go map, which is another each time; ours is always this one.
    check(r#"`{"c":1,"a":2,"b":3}`.*"#, Ok("[2, 3, 1]"));
}

#[test]
fn arithmetic_is_that_of_the_peer() {
    for (expression, expected) in [
        ("round(`2.5`,`0`)", Ok("3")),
        ("round(`-2.5`,`0`)", Ok("-3")),
        ("round(`1.005`,`2`)", Ok("1")),
        (
            "round(`1.5`,`1.5`)",
            Err("JMESPath function 'round': Non-integer argument(s) passed for round off"),
        ),
        ("add('10m','1')", Ok(r#""1010m""#)),
        ("add(`1`,`2`)", Ok("3")),
        ("add('1','2')", Ok(r#""3""#)),
        ("add('1h','30m')", Err("JMESPath function 'add': Types mismatch")),
        ("add('1h','1Mi')", Err("JMESPath function 'add': Types mismatch")),
        ("add('1h',`1`)", Err("JMESPath function 'add': Types mismatch")),
        ("add('a',`1`)", Err("JMESPath function 'add': invalid operand")),
        ("add(`null`,`1`)", Err("JMESPath function 'add': invalid operand")),
        ("add('1Gi','1G')", Ok(r#""2073741824""#)),
        ("add('1G','1Gi')", Ok(r#""2073741824""#)),
        ("add('0.1','0.02')", Ok(r#""120m""#)),
        ("subtract('1Gi','1Mi')", Ok(r#""1023Mi""#)),
        ("subtract('1h','61m')", Err("JMESPath function 'subtract': Types mismatch")),
        ("multiply('1Gi',`2`)", Ok(r#""2Gi""#)),
        ("multiply(`2.5`,'1Gi')", Ok(r#""2560Mi""#)),
        ("multiply('1.5h',`2`)", Ok(r#""3h0m0s""#)),
        ("multiply('1h','1h')", Err("JMESPath function 'multiply': Types mismatch")),
        ("multiply('100m',`1.5`)", Ok(r#""150m""#)),
        ("multiply('1Gi',`1e3`)", Ok(r#""1000Gi""#)),
        ("multiply('1Gi',`1000000`)", Ok(r#""1000000Gi""#)),
        ("multiply(`2`,`3`)", Ok("6")),
        ("divide('1Gi','1Mi')", Ok("1024")),
        ("divide('1Gi',`3`)", Ok(r#""357913941""#)),
        ("divide('10',`3`)", Ok(r#""3""#)),
        ("divide('1h',`0`)", Err("JMESPath function 'divide': Zero divisor passed")),
        ("divide('1h','0s')", Err("JMESPath function 'divide': Zero divisor passed")),
        ("divide('1h','45m')", Err("JMESPath function 'divide': Types mismatch")),
        ("divide('1h',`7`)", Ok(r#""8m34.285714285s""#)),
        ("divide(`1`,`3`)", Ok("0.3333333333333333")),
        ("divide(`1`,'1h')", Err("JMESPath function 'divide': Types mismatch")),
        ("divide('1','0')", Err("JMESPath function 'divide': Zero divisor passed")),
        ("divide('1.5',`2`)", Ok(r#""700m""#)),
        ("modulo('10','3')", Ok(r#""1""#)),
        ("modulo('1Gi','1000')", Ok(r#""824""#)),
        ("modulo('1h','45m')", Err("JMESPath function 'modulo': Types mismatch")),
        ("modulo(`10`,`3`)", Ok("1")),
        ("modulo(`-10`,`3`)", Ok("-1")),
        (
            "modulo(`10.5`,`3`)",
            Err("JMESPath function 'modulo': Non-integer argument(s) passed for modulo"),
        ),
        ("modulo('10','0')", Err("JMESPath function 'modulo': Zero divisor passed")),
        (
            "modulo('1.5','1')",
            Err("JMESPath function 'modulo': Non-integer argument(s) passed for modulo"),
        ),
        ("modulo(`10`,`0`)", Err("JMESPath function 'modulo': Zero divisor passed")),
        ("modulo('1h','0s')", Err("JMESPath function 'modulo': Zero divisor passed")),
        (r#"sum(`["1h","2h"]`)"#, Ok(r#""3h0m0s""#)),
        (r#"sum(`["1h"]`)"#, Ok(r#""1h""#)),
        ("sum(`[1,2,3.5]`)", Ok("6.5")),
        (r#"sum(`["1h",1]`)"#, Err("JMESPath function 'sum': Types mismatch")),
        (r#"sum(`["a"]`)"#, Ok(r#""a""#)),
        ("sum('a')", Err(r#"Invalid type for: a, expected: []jmespath.JpType{"array"}"#)),
        ("add(add('12Ki','1'),'1')", Ok(r#""12290""#)),
        ("multiply('-1',`2`)", Ok(r#""-2""#)),
        ("add('1e3','1')", Ok(r#""1001""#)),
        ("add('1E','1')", Ok(r#""1000000000000000001""#)),
        ("subtract('1','1Gi')", Ok(r#""-1073741823""#)),
        ("round(`2.345`,`2`)", Ok("2.35")),
        ("round(`0.125`,`2`)", Ok("0.13")),
        ("round(`123`,`0`)", Ok("123")),
        ("add('1','1.5')", Ok(r#""2500m""#)),
        ("add('0','1Gi')", Ok(r#""1Gi""#)),
        ("add('100m','100m')", Ok(r#""200m""#)),
        ("add('1Ki','1')", Ok(r#""1025""#)),
        ("add(`0.1`,`0.2`)", Ok("0.30000000000000004")),
        ("subtract('5s','1m')", Err("JMESPath function 'subtract': Types mismatch")),
        ("subtract('5s','1h')", Ok(r#""-59m55s""#)),
        ("subtract('2h','1h30s')", Ok(r#""59m30s""#)),
        ("multiply('2h',`0.25`)", Ok(r#""30m0s""#)),
        ("multiply(`1.5`,'10s')", Ok(r#""15s""#)),
        ("multiply('1Gi','1')", Err("JMESPath function 'multiply': Types mismatch")),
        ("multiply('1Gi',`0.5`)", Ok(r#""512Mi""#)),
        ("divide('3h','2h')", Ok("1.5")),
        ("divide('1Gi','0')", Err("JMESPath function 'divide': Zero divisor passed")),
        ("divide('1Mi',`2`)", Ok(r#""512Ki""#)),
        ("divide('1h30s',`2`)", Ok(r#""30m15s""#)),
        ("modulo('3h','2h')", Ok(r#""1h0m0s""#)),
        ("modulo('7h','2h30s')", Ok(r#""58m30s""#)),
        (r#"sum(`["1Gi","1Mi"]`)"#, Ok(r#""1025Mi""#)),
        (r#"sum(`["100m","1"]`)"#, Ok(r#""1100m""#)),
    ] {
        check(expression, expected);
    }
}

#[test]
fn times_are_those_of_the_peer() {
    for (expression, expected) in [
        ("time_since('', '2023-01-02T15:04:05Z', '2023-01-03T16:04:05.5Z')", Ok(r#""25h0m0.5s""#)),
        ("time_since('2006', '2023', '2024')", Ok(r#""8760h0m0s""#)),
        (
            "time_since('Mon Jan _2 15:04:05 MST 2006', 'Mon Jan  2 15:04:05 MST 2023', 'Mon Jan  3 15:04:05 CET 2023')",
            Ok(r#""24h0m0s""#),
        ),
        ("time_parse('1136239445', '1234567890')", Ok(r#""2009-02-13T23:31:30Z""#)),
        (
            "time_parse('2006-01-02', '2023-13-01')",
            Err(r#"parsing time "2023-13-01": month out of range"#),
        ),
        (
            "time_parse('2006-01-02', '2023-02-30')",
            Err(r#"parsing time "2023-02-30": day out of range"#),
        ),
        (
            "time_parse('2006-01-02', '2023-02-3')",
            Err(r#"parsing time "2023-02-3" as "2006-01-02": cannot parse "3" as "02""#),
        ),
        (
            "time_parse('2006-01-02', '2023-02-03T')",
            Err(r#"parsing time "2023-02-03T": extra text: "T""#),
        ),
        (
            "time_parse('Monday, January 2 2006 3:04PM -0700', 'Tuesday, March 7 2023 4:05AM +0130')",
            Ok(r#""2023-03-07T04:05:00+01:30""#),
        ),
        ("time_add('2023-01-02T15:04:05Z','x')", Err(r#"time: invalid duration "x""#)),
        ("time_add('2023-01-02T15:04:05+02:00','-1h30m')", Ok(r#""2023-01-02T13:34:05+02:00""#)),
        (
            "time_add('foo','-1h30m')",
            Err(
                r#"parsing time "foo" as "2006-01-02T15:04:05Z07:00": cannot parse "foo" as "2006""#,
            ),
        ),
        ("time_truncate('2023-01-02T15:04:05+02:00','1h')", Ok(r#""2023-01-02T15:00:00+02:00""#)),
        ("time_truncate('2023-01-02T15:04:05+02:00','0s')", Ok(r#""2023-01-02T15:04:05+02:00""#)),
        ("time_truncate('2023-01-02T15:04:05Z','7h')", Ok(r#""2023-01-02T14:00:00Z""#)),
        ("time_to_cron('2023-01-02T15:04:05Z')", Ok(r#""4 15 2 1 1""#)),
        ("time_utc('2023-01-02T15:04:05.123+05:30')", Ok(r#""2023-01-02T09:34:05Z""#)),
        ("time_diff('2023-01-02T15:04:05Z','2024-01-02T15:04:05Z')", Ok(r#""8760h0m0s""#)),
        (
            "time_diff('0001-01-02T15:04:05Z','9999-01-02T15:04:05Z')",
            Ok(r#""2562047h47m16.854775807s""#),
        ),
        ("time_before('2023-01-02T15:04:05Z','2024-01-02T15:04:05Z')", Ok("true")),
        (
            "time_between('2023-01-02T15:04:05Z','2023-01-02T15:04:05Z','2024-01-02T15:04:05Z')",
            Ok("false"),
        ),
        ("time_parse('GMT', 'GMT+3')", Err(r#"parsing time "GMT+3": extra text: "+3""#)),
        ("time_parse('2006 MST', '2023 GMT+3')", Ok(r#""2023-01-01T03:00:00+03:00""#)),
        ("time_parse('15:04', '10:30')", Ok(r#""0000-01-01T10:30:00Z""#)),
        ("time_parse('2006-002', '2023-060')", Ok(r#""2023-03-01T00:00:00Z""#)),
        (
            "time_parse('2006-002', '2023-366')",
            Err(r#"parsing time "2023-366": day-of-year out of range"#),
        ),
        ("time_parse('Jan _2 06', 'feb  3 70')", Ok(r#""1970-02-03T00:00:00Z""#)),
        (
            "time_parse('2006-01-02T15:04:05.000Z', '2023-01-02T10:00:00.123Z')",
            Ok(r#""2023-01-02T10:00:00Z""#),
        ),
        (
            "time_parse('2006-01-02T15:04:05', '2023-01-02T10:00:00.123')",
            Ok(r#""2023-01-02T10:00:00Z""#),
        ),
        (
            "time_parse('2006-01-02T15:04:05Z07:00', '2023-01-02T1:00:00Z')",
            Ok(r#""2023-01-02T01:00:00Z""#),
        ),
        (
            "time_parse('2006-01-02 MST', '2023-01-02 XYZW')",
            Err(
                r#"parsing time "2023-01-02 XYZW" as "2006-01-02 MST": cannot parse "XYZW" as "MST""#,
            ),
        ),
        ("time_parse('-0700', '+2500')", Ok(r#""1970-01-01T00:41:40Z""#)),
        ("time_parse('-0700', '+2460')", Ok(r#""1970-01-01T00:41:00Z""#)),
        ("time_parse('3PM', '13PM')", Err(r#"parsing time "13PM": hour out of range"#)),
        ("time_parse('3PM', '12AM')", Ok(r#""0000-01-01T00:00:00Z""#)),
        ("time_parse('1', 'abc')", Err(r#"strconv.ParseInt: parsing "abc": invalid syntax"#)),
        ("time_parse('1', '99999999999999')", Ok(r#""3170843-11-07T09:46:39Z""#)),
        ("time_add('9999-12-31T23:59:59Z','1s')", Ok(r#""10000-01-01T00:00:00Z""#)),
        ("time_parse('2006-01-02', '2024-02-29')", Ok(r#""2024-02-29T00:00:00Z""#)),
        (
            "time_parse('2006-01-02', '2023-02-29')",
            Err(r#"parsing time "2023-02-29": day out of range"#),
        ),
        ("time_after('2023-01-02T15:04:05Z','2024-01-02T15:04:05Z')", Ok("false")),
        ("time_add('2023-01-02T15:04:05Z','36h')", Ok(r#""2023-01-04T03:04:05Z""#)),
        ("time_add('2024-02-28T23:00:00Z','24h')", Ok(r#""2024-02-29T23:00:00Z""#)),
        ("time_utc('2023-01-02T23:04:05-05:00')", Ok(r#""2023-01-03T04:04:05Z""#)),
        ("time_to_cron('2023-02-02T15:04:05Z')", Ok(r#""4 15 2 2 4""#)),
        ("time_to_cron('2023-02-05T23:59:05+05:00')", Ok(r#""59 23 5 2 0""#)),
        (
            "time_parse('2006-01-02T15:04:05Z07:00', '2021-01-02T15:04:05-07:00')",
            Ok(r#""2021-01-02T15:04:05-07:00""#),
        ),
        (
            "time_parse('Mon Jan 02 2006 15:04:05 -0700', 'Fri Jun 22 2022 17:45:00 +0100')",
            Ok(r#""2022-06-22T17:45:00+01:00""#),
        ),
        (
            "time_parse('02 Jan 06 15:04 MST', '02 Jan 23 15:04 PST')",
            Ok(r#""2023-01-02T15:04:00Z""#),
        ),
        (
            "time_parse('Jan 2, 2006 at 3:04pm (MST)', 'Feb 3, 2013 at 7:54pm (PST)')",
            Ok(r#""2013-02-03T19:54:00Z""#),
        ),
        (
            "time_parse('2006-01-02', 'x')",
            Err(r#"parsing time "x" as "2006-01-02": cannot parse "x" as "2006""#),
        ),
        (
            "time_parse('2006-01-02 15:04:05.999', '2023-01-02 15:04:05')",
            Ok(r#""2023-01-02T15:04:05Z""#),
        ),
        (
            "time_parse('2006-01-02 15:04:05.999', '2023-01-02 15:04:05.5')",
            Ok(r#""2023-01-02T15:04:05Z""#),
        ),
        (
            "time_parse('2006-01-02 15:04:05.00', '2023-01-02 15:04:05.5')",
            Err(
                r#"parsing time "2023-01-02 15:04:05.5" as "2006-01-02 15:04:05.00": cannot parse ".5" as ".00""#,
            ),
        ),
        (
            "time_parse('Monday 2006', 'Funday 2023')",
            Err(
                r#"parsing time "Funday 2023" as "Monday 2006": cannot parse "Funday 2023" as "Monday""#,
            ),
        ),
        ("time_parse('January', 'may')", Ok(r#""0000-05-01T00:00:00Z""#)),
        ("time_parse('2006', '99')", Ok(r#""1970-01-01T00:01:39Z""#)),
        ("time_truncate('2023-01-02T15:59:05Z','24h')", Ok(r#""2023-01-02T00:00:00Z""#)),
        ("time_truncate('2023-01-02T15:59:05Z','x')", Err(r#"time: invalid duration "x""#)),
        (
            "time_between('2023-06-02T15:04:05Z','2023-01-02T15:04:05Z','2024-01-02T15:04:05Z')",
            Ok("true"),
        ),
        (
            "time_before('x','y')",
            Err(r#"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#),
        ),
    ] {
        check(expression, expected);
    }
}

#[test]
fn versions_compare_as_the_peers() {
    for (expression, expected) in [
        ("semver_compare('4.1.3','>=4.1.x')", Ok("true")),
        (
            "semver_compare('4.1.3','>=4.1')",
            Err(
                r#"Could not parse Range ">=4.1": Could not parse version "4.1" in ">=4.1": No Major.Minor.Patch elements found"#,
            ),
        ),
        ("semver_compare('v4.1.3','>=0.0.0')", Ok("true")),
        (
            "semver_compare('4.1.3','4.1.x || >5')",
            Err(
                r#"Could not parse Range ">5": Could not parse version "5" in ">5": No Major.Minor.Patch elements found"#,
            ),
        ),
        ("semver_compare('4.1.3-alpha','<4.1.3')", Ok("true")),
        ("semver_compare('4.1.3','')", Err("Last element in range is '||'")),
        ("semver_compare('4.1.3','|| 1.2.3')", Err("First element in range is '||'")),
        ("semver_compare('4.1.3','1.2.3 ||')", Err("Last element in range is '||'")),
        ("semver_compare('4.1.3','abc')", Err(r#"Could not get version from string: "abc""#)),
        (
            "semver_compare('4.1.3','~1.2.3')",
            Err(r#"Could not parse Range "~1.2.3": Could not parse comparator "~" in "~1.2.3""#),
        ),
        (
            "semver_compare('4.1.3','1.2.03')",
            Err(
                r#"Could not parse Range "1.2.03": Could not parse version "1.2.03" in "1.2.03": Patch number must not contain leading zeroes "03""#,
            ),
        ),
        ("semver_compare('4.1.3','!4.1.x')", Ok("false")),
        ("semver_compare('4.1.3','x')", Err("Last element in range is '||'")),
        ("semver_compare('4.1.3','>=1.x <5.x')", Ok("true")),
        ("semver_compare('4.1.3','> 4.1.2')", Ok("true")),
        ("semver_compare('4.1.3+abc','4.1.3+def')", Ok("true")),
        ("semver_compare('4.1.3','*')", Err("Last element in range is '||'")),
        ("semver_compare('1.5.0','1.x.x')", Ok("false")),
        ("semver_compare('1.0.9','1.x.x')", Ok("true")),
        ("semver_compare('1.5.0','>1.x.x')", Ok("true")),
        ("semver_compare('5.0.0','!=1.2.x')", Ok("false")),
        ("semver_compare('1.5.0','>=1.0.0-x')", Ok("true")),
        ("semver_compare('1.5.0','1.0.0 - 2.0.0')", Ok("false")),
        ("semver_compare('1.2.3','1.2.3')", Ok("true")),
        ("semver_compare('1.2.3','==1.2.3')", Ok("true")),
        ("semver_compare('1.2.3','!=1.2.3')", Ok("false")),
        ("semver_compare('1.2.3','<1.0.0 || >=1.2.0')", Ok("true")),
        ("semver_compare('1.2.3','>1.0.0 <2.0.0 !1.2.3')", Ok("false")),
        ("semver_compare('1.0.0-alpha.1','<1.0.0-alpha.beta')", Ok("true")),
        ("semver_compare('1.0.0-rc.2','<1.0.0-rc.10')", Ok("true")),
        ("semver_compare('1.0.0','<1.0.0-rc.10')", Ok("false")),
        ("semver_compare('1.2','<0.0.1')", Ok("true")),
        ("semver_compare('','0.0.0')", Ok("true")),
        ("semver_compare('4.1.3','<=4.1.x')", Ok("true")),
        ("semver_compare('4.1.3','>4.0.x')", Ok("true")),
        ("semver_compare('4.1.3','<4.1.x')", Ok("false")),
        (
            "semver_compare('1.0.0','1.2.3-')",
            Err(
                r#"Could not parse Range "1.2.3-": Could not parse version "1.2.3-" in "1.2.3-": Prerelease is empty"#,
            ),
        ),
    ] {
        check(expression, expected);
    }
}

#[test]
fn expressions_match_as_the_peers() {
    for (expression, expected) in [
        ("regex_match('a(', 'b')", Err("error parsing regexp: missing closing ): `a(`")),
        (r"regex_match('^\d+$', `12`)", Ok("true")),
        ("regex_match('[[]', '[')", Ok("true")),
        ("regex_match('a{,2}', 'a{,2}')", Ok("true")),
        (r"regex_match('\Qa.b\E', 'a.b')", Ok("true")),
        (r"regex_match('\pL', 'é')", Ok("true")),
        (
            "regex_match('(?x)a', 'a')",
            Err("error parsing regexp: invalid or unsupported Perl syntax: `(?x`"),
        ),
        (r"regex_match('\1', 'a')", Err(r"error parsing regexp: invalid escape sequence: `\1`")),
        (r"regex_match('\_', '_')", Ok("true")),
        (r"regex_match('\C', 'é')", Err(r"error parsing regexp: invalid escape sequence: `\C`")),
        (
            "regex_match('a**', 'a')",
            Err("error parsing regexp: invalid nested repetition operator: `**`"),
        ),
        (r"regex_match('\bé', 'é')", Ok("false")),
        (
            "regex_match('x{1001}', 'é')",
            Err("error parsing regexp: invalid repeat count: `{1001}`"),
        ),
        ("regex_match('(?P<n>a)(?<m>b)', 'ab')", Ok("true")),
        (r"regex_match('[\w-]+', 'a-b')", Ok("true")),
        (
            r"regex_match('[a-\d]', 'a-b')",
            Err(r"error parsing regexp: invalid escape sequence: `\d`"),
        ),
        (r"regex_match('\z', '')", Ok("true")),
        (r"regex_match('\Z', '')", Err(r"error parsing regexp: invalid escape sequence: `\Z`")),
        (r"regex_match('\x{41}\101', 'AA')", Ok("true")),
        (r"regex_match('[^\S\n]', ' ')", Ok("true")),
        ("regex_match('(?i)ſ', 's')", Ok("true")),
        (r"regex_match('\pN\p{Greek}', '1α')", Ok("true")),
        (r"regex_match('\h', '1α')", Err(r"error parsing regexp: invalid escape sequence: `\h`")),
        (r"regex_replace_all('([a-z]+)(\d)', 'ab1', '$2-${1}$x$$')", Ok(r#""1-ab$""#)),
        ("regex_replace_all('a*', 'baac', 'x')", Ok(r#""xbxcx""#)),
        (r"regex_replace_all('\d', `1.5`, `2.25`)", Ok(r#""2.25.2.25""#)),
        (
            r"regex_replace_all_literal('\d', `100000.123456789`, '$1')",
            Ok(r#""$1$1$1$1$1$1.$1$1$1""#),
        ),
        ("regex_replace_all('', 'ab', '-')", Ok(r#""-a-b-""#)),
        ("pattern_match('a*', `123`)", Ok("false")),
        ("pattern_match('1?3', `123`)", Ok("true")),
        ("regex_match('^[a-z]+$', 'abc')", Ok("true")),
        (r"regex_match('^v?\d+\.\d+$', 'v1.20')", Ok("true")),
        ("regex_match('12.4', `12.4`)", Ok("true")),
        ("regex_replace_all('(?P<x>a+)', 'caaat', '[${x}]')", Ok(r#""c[aaa]t""#)),
        ("regex_replace_all('([Hh]e|G)l', 'Hello, Gl', '${2}G')", Ok(r#""Glo, G""#)),
        (
            "regex_replace_all('[', 'x', 'y')",
            Err(
                "JMESPath function 'regex_replace_all': error parsing regexp: missing closing ]: `[`",
            ),
        ),
        ("regex_replace_all_literal('a+', 'caaat', '$0')", Ok(r#""c$0t""#)),
        ("pattern_match('prod-*', 'prod-a')", Ok("true")),
        ("pattern_match('prod-?', 'prod-ab')", Ok("false")),
        ("pattern_match('*', '')", Ok("true")),
    ] {
        check(expression, expected);
    }
}

#[test]
fn encodings_are_those_of_the_peer() {
    for (expression, expected) in [
        ("base64_decode('!!')", Err("illegal base64 data at input byte 0")),
        ("base64_decode('YQ')", Err("illegal base64 data at input byte 0")),
        ("base64_decode('Y Q==')", Err("illegal base64 data at input byte 1")),
        ("base64_encode('é')", Ok(r#""w6k=""#)),
        (
            "sha256('a')",
            Ok(r#""ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb""#),
        ),
        ("md5('a')", Ok(r#""0cc175b9c0f1b6a831c399e269772661""#)),
        ("base64_decode('aGVsbG8=')", Ok(r#""hello""#)),
        ("base64_decode('aGVsbG8')", Err("illegal base64 data at input byte 4")),
        ("base64_decode('aGV$bG8=')", Err("illegal base64 data at input byte 3")),
        ("base64_encode('')", Ok(r#""""#)),
        ("sha1('a')", Ok(r#""86f7e437faa5a7fce15d1ddcb9eaeaea377667b8""#)),
        ("sha256('')", Ok(r#""e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#)),
        ("md5('')", Ok(r#""d41d8cd98f00b204e9800998ecf8427e""#)),
    ] {
        check(expression, expected);
    }
}

#[test]
fn urls_are_external_as_for_the_peer() {
    for (expression, expected) in [
        ("is_external_url('http://127.0.0.1/')", Ok("false")),
        ("is_external_url('http://[::1]:80/')", Ok("false")),
        ("is_external_url('http://10.0.0.1:99999/')", Ok("false")),
        ("is_external_url('http://169.254.169.254/')", Ok("true")),
        ("is_external_url('foo')", Err("lookup : no such host")),
        (
            "is_external_url('http://a b/')",
            Err(r#"parse "http://a b/": invalid character " " in host name"#),
        ),
        ("is_external_url('%zz')", Err(r#"parse "%zz": invalid URL escape "%zz""#)),
        ("is_external_url('https://8.8.8.8/path')", Ok("true")),
        ("is_external_url('https://192.168.1.1/path')", Ok("false")),
        ("is_external_url('https://user:pw@172.16.0.1:8080/path?x=1#f')", Ok("false")),
        ("is_external_url('https://[fd00::1]/')", Ok("false")),
        ("is_external_url('https://[::ffff:10.0.0.1]/')", Ok("false")),
        ("is_external_url('https://[2001:db8::1]:443/')", Ok("true")),
        (
            "is_external_url('http://1.1.1.1:x/')",
            Err(r#"parse "http://1.1.1.1:x/": invalid port ":x" after host"#),
        ),
    ] {
        check(expression, expected);
    }
}

#[test]
fn images_are_named_as_by_the_peer() {
    for (expression, expected) in [
        ("image_normalize('nginx')", Ok(r#""docker.io/nginx:latest""#)),
        (
            "image_normalize('nginx:1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')",
            Ok(
                r#""docker.io/nginx@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#,
            ),
        ),
        (
            "image_normalize('A B')",
            Err(
                "JMESPath function 'image_normalize': bad image: docker.io/A B, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format",
            ),
        ),
        ("image_normalize('localhost/a/b')", Ok(r#""localhost/a/b:latest""#)),
        ("image_normalize('ghcr.io/a/b:v1')", Ok(r#""ghcr.io/a/b:v1""#)),
        ("image_normalize('a/b')", Ok(r#""docker.io/a/b:latest""#)),
        ("image_normalize('localhost:5000/x')", Ok(r#""localhost:5000/x:latest""#)),
        (
            "image_normalize('')",
            Err(
                "JMESPath function 'image_normalize': bad image: docker.io/, defaultRegistry: docker.io, enableDefaultRegistryMutation: true: invalid reference format",
            ),
        ),
    ] {
        check(expression, expected);
    }
}

/// A host with a name server that knows two names, and one that is still being asked.
#[derive(Default)]
struct Named {
    asked: u32,
}

impl Host for Named {
    fn now(&self) -> i64 {
        1_700_000_000_999_999_999
    }
    fn random(&mut self, site: CallSite) -> u64 {
        u64::from(site.turn)
    }
    fn addresses(&mut self, name: &str) -> Result<Result<Vec<IpAddr>, String>, Suspended> {
        self.asked += 1;
        match name {
            "slow.example" => Err(Suspended),
            "mixed.example" => {
                Ok(Ok(vec!["8.8.8.8".parse().unwrap(), "10.0.0.1".parse().unwrap()]))
            }
            "public.example" => {
                Ok(Ok(vec!["8.8.8.8".parse().unwrap(), "2001:4860::1".parse().unwrap()]))
            }
            other => Ok(Err(format!("lookup {other}: no such host"))),
        }
    }
}

/// Evaluates with that host.
fn ask(expression: &str) -> Result<Value, EvaluateError> {
    Expression::parse(expression).unwrap().evaluate(
        &Value::empty_map(),
        &registry(),
        &mut Named::default(),
    )
}

#[test]
fn the_peer_lends_51_functions_and_replaces_one_of_the_standard() {
    let standard = sigward_jmespath::Functions::standard().names().len();
    assert_eq!((standard, registry().names().len()), (26, 26 + 51 - 1));
}

#[test]
fn the_result_of_compare_is_a_number() {
    check("compare('a', 'b') == `-1`", Ok("true"));
    check("compare('b', 'a') > `0`", Ok("true"));
}

#[test]
fn numbers_read_as_text_keep_their_digits() {
    check("regex_match('^1000650001$', `1000650001`)", Ok("true"));
    check("pattern_match('2.5', `2.5`)", Ok("true"));
    check("regex_replace_all('x', `0.1`, 'y')", Ok(r#""0.1""#));
}

#[test]
fn what_is_no_base64_is_refused_at_its_first_stray_byte() {
    check("base64_decode('  b .')", Err("illegal base64 data at input byte 0"));
    check("base64_decode('.//*.')", Err("illegal base64 data at input byte 0"));
}

#[test]
fn base64_of_binary_data_is_replaced_not_refused() {
    check("base64_decode('/w==')", Ok("\"\u{FFFD}\""));
}

#[test]
fn a_version_that_cannot_be_read_is_zero() {
    check("semver_compare('latest', '0.0.0')", Ok("true"));
    check("semver_compare('latest', '>=1.0.0')", Ok("false"));
}

#[test]
fn wildcards_in_ranges_expand_as_the_peers() {
    check("semver_compare('2.0.0', '<=1.x')", Ok("false"));
    check("semver_compare('1.9.0', '<=1.x')", Ok("true"));
    check("semver_compare('5.0.0', '!=1.2.x')", Ok("false"));
    check("semver_compare('1.5.0', '1.x.x')", Ok("false"));
    check("semver_compare('1.2.0', '>1.0.0-fix')", Ok("true"));
}

#[test]
fn the_present_is_the_moment_of_the_request() {
    let shown = Value::from("2023-11-14T22:13:20Z");
    assert_eq!(ask("time_now()").unwrap(), shown);
    assert_eq!(ask("time_now_utc()").unwrap(), shown);
    assert_eq!(
        ask("time_since('', '2023-11-14T22:13:19Z', '')").unwrap(),
        Value::from("1.999999999s")
    );
}

#[test]
fn link_local_addresses_are_external() {
    check("is_external_url('http://169.254.169.254/')", Ok("true"));
}

#[test]
fn a_host_name_is_external_when_none_of_its_addresses_is_internal() {
    assert_eq!(ask("is_external_url('https://public.example/x')").unwrap(), Value::bool(true));
    assert_eq!(ask("is_external_url('https://mixed.example:8443')").unwrap(), Value::bool(false));
    let error = ask("is_external_url('https://nosuch.example') || 'default'").unwrap_err();
    assert_eq!(error.to_string(), "lookup nosuch.example: no such host");
}

#[test]
fn a_lookup_that_is_on_its_way_suspends_the_whole_expression() {
    for expression in [
        "is_external_url('https://slow.example')",
        "is_external_url('https://slow.example') || 'default'",
        "not_null(is_external_url('https://slow.example'), 'default')",
        "[`1`][?is_external_url('https://slow.example')]",
        "to_array(is_external_url('https://slow.example'))[]",
        "map(&is_external_url('https://slow.example'), `[1, 2]`)",
        "sort_by(`[1, 2]`, &to_string(is_external_url('https://slow.example')))",
    ] {
        let mut host = Named::default();
        let outcome = Expression::parse(expression).unwrap().evaluate(
            &Value::empty_map(),
            &registry(),
            &mut host,
        );
        assert!(matches!(outcome, Err(EvaluateError::Suspended)), "{expression}: {outcome:?}");
        assert_eq!(host.asked, 1, "{expression}");
    }
}

#[test]
fn random_texts_match_their_pattern() {
    for pattern in [
        "[a-z]{4}",
        "[0-9a-f]{8}-(foo|ba[rz])+",
        "[[:upper:]][^a-zA-Z]{3}x?y*",
        "a|b|",
        "^[]a-]{2}$",
        r"\.\{[\]\\]",
        "é{2,3}",
        "{",
        "a{,3}",
    ] {
        let anchored = format!("^(?:{pattern})$");
        let regex = super::go_regex::compile(&anchored).unwrap();
        for seed in 0..200 {
            let mut host = Offline { now: 0, seed };
            let root = Value::build().member("p", pattern).finish();
            let value = Expression::parse("random(p)")
                .unwrap()
                .evaluate(&root, &registry(), &mut host)
                .unwrap();
            assert!(regex.is_match(value.as_str().unwrap()), "{pattern}: {value}");
        }
    }
}

#[test]
fn random_texts_repeat_with_the_seed_and_differ_by_call() {
    let expression = Expression::parse("[random('[a-z]{20}'), random('[a-z]{20}')]").unwrap();
    let pair = |seed| {
        expression
            .evaluate(&Value::empty_map(), &registry(), &mut Offline { now: 0, seed })
            .unwrap()
    };
    assert_eq!(pair(1), pair(1));
    assert_ne!(pair(1), pair(2));
    assert_ne!(pair(1).item(0), pair(1).item(1));
}

#[test]
fn any_character_is_a_printable_one() {
    let value = evaluate("random('.{50}[^a]{50}')").unwrap();
    assert!(value.as_str().unwrap().bytes().all(|b| (0x20..0x7F).contains(&b)), "{value}");
}

#[test]
fn random_patterns_are_refused_as_the_peer_refuses_them() {
    for (expression, expected) in [
        ("random('')", "no pattern provided"),
        (r"random('\d{3}')", r"error parsing regexp: invalid escape sequence: `\d`"),
        ("random('[')", "error parsing regexp: missing closing ]: `[`"),
        ("random('a{2000}')", "error parsing regexp: invalid repeat count: `{2000}`"),
        ("random('a(')", "error parsing regexp: missing closing ): `a(`"),
        ("random('a)')", "error parsing regexp: unexpected ): `a)`"),
        ("random('*a')", "error parsing regexp: missing argument to repetition operator: `*`"),
        ("random('a**')", "error parsing regexp: invalid nested repetition operator: `**`"),
    ] {
        check(expression, Err(expected));
    }
    assert!(evaluate("random('((a{1000}){1000}){1000}')").is_err());
    assert!(evaluate(&format!("random('{}')", "(".repeat(10_000))).is_err());
}

#[test]
fn images_are_completed_as_configured() {
    let functions =
        registry_with(ImageDefaults { registry: "registry.example".into(), mutation: true });
    let expression = Expression::parse("image_normalize('nginx')").unwrap();
    let value = expression.evaluate(&Value::NULL, &functions, &mut Offline::default()).unwrap();
    assert_eq!(value, Value::from("registry.example/nginx:latest"));
}

#[test]
fn json_texts_are_read() {
    check(r#"parse_json('{"a": [1, 2.5, null]}').a[1]"#, Ok("2.5"));
    assert!(evaluate("parse_json('{\"a\":1')").is_err());
    assert!(evaluate("parse_json('1 2')").is_err());
}

#[test]
fn yaml_texts_are_read_as_the_peer_reads_them() {
    for (text, expected) in [
        ("a: [1, yes, 0x10, 1_000]", Ok(r#"{"a": [1, true, 16, 1000]}"#)),
        ("a: 1\na: 2", Ok(r#"{"a": 2}"#)),
        ("---\na: 1\n---\nb: 2", Ok(r#"{"a": 1}"#)),
        ("a: 1\n---\n}{", Ok(r#"{"a": 1}"#)),
        ("- a\n- {b: c}", Ok(r#"["a", {"b": "c"}]"#)),
        ("a: &x 1\nb: *x", Ok(r#"{"a": 1, "b": 1}"#)),
        ("a: |\n  x\n  y\n", Ok(r#"{"a": "x\ny\n"}"#)),
        ("<<: {a: 1}\nb: 2", Ok(r#"{"a": 1, "b": 2}"#)),
        ("# c", Ok("null")),
        ("", Ok("null")),
        ("a: b: c", Err("yaml: mapping values are not allowed in this context")),
        ("\ta: 1", Err("yaml: found character that cannot start any token")),
    ] {
        let root = Value::build().member("text", text).finish();
        let outcome = evaluate_over(&root, "parse_yaml(text)").map_err(|error| error.to_string());
        let expected = expected.map(|json: &str| parse_json(json.as_bytes()).unwrap());
        assert_eq!(outcome, expected.map_err(str::to_owned), "{text:?}");
    }
}

#[test]
fn round_takes_whole_digits() {
    check(
        "round(`1.5`, `-1`)",
        Err("JMESPath function 'round': argument #2 is out of bounds (-1)"),
    );
    check("round(`1.5`, `400`)", Ok("1.5"));
}

#[test]
fn what_would_be_huge_exceeds_the_budget() {
    let text = Value::from("a".repeat(100_000));
    let root = Value::build().member("t", text).finish();
    for expression in [
        "replace_all(t, 'a', t)",
        "replace_all(t, '', t)",
        "regex_replace_all('a', t, t)",
        "regex_replace_all_literal('', t, t)",
    ] {
        let outcome = evaluate_over(&root, expression);
        assert!(matches!(outcome, Err(EvaluateError::Budget { .. })), "{expression}");
    }
}
