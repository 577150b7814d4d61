//! Patterns put to Go 1.26 and to us.
use super::compile;

fn check(pattern: &str, text: &str, expected: bool) {
    match compile(pattern) {
        Ok(regex) => assert_eq!(regex.is_match(text), expected, "{pattern} on {text:?}"),
        Err(error) => panic!("{pattern}: {error}"),
    }
}

fn check_error(pattern: &str, expected: &str) {
    match compile(pattern) {
        Ok(_) => panic!("{pattern} is not refused"),
        Err(error) => assert_eq!(error, format!("error parsing regexp: {expected}"), "{pattern}"),
    }
}

#[test]
fn classes_are_ascii() {
    check(r"^\d$", "1", true);
    check(r"^\d$", "١", false);
    check(r"\bé", "é", false);
    check(r"^\w$", "é", false);
    check(r"^\W$", "é", true);
    check(r"^\s$", "\u{b}", false);
    check(r"^[^\S\n]$", " ", true);
    check(r"^[\w-]+$", "a-b", true);
    check(r"^[\D]$", "a", true);
    check(r"x\B", "xy", true);
}

#[test]
fn what_is_special_to_our_engine_alone_means_itself() {
    check("^[[]$", "[", true);
    check("^[a&&b]+$", "a&b", true);
    check("^[a~~b]+$", "a~b", true);
    check("^a{,2}$", "a{,2}", true);
    check("^{$", "{", true);
    check("^a{x}$", "a{x}", true);
    check("^[]a]+$", "]a", true);
    check("^[^]a]+$", "b", true);
    check(r"^\<\>$", "<>", true);
    check(r"^\_$", "_", true);
    check("^a b#c$", "a b#c", true);
    check("^]}$", "]}", true);
}

#[test]
fn what_is_special_to_go_alone_is_understood() {
    check(r"^\Qa.b\E$", "a.b", true);
    check(r"^\Qa.b\E$", "axb", false);
    check(r"^\Qa.b", "a.b", true);
    check(r"^\x{41}\101\x41\a$", "AAA\x07", true);
    check(r"\pN\p{Greek}", "1α", true);
    check(r"^[\pL]$", "é", true);
    check(r"(?P<n>a)(?<m>b)", "ab", true);
    check("^[[:alpha:][:digit:]]+$", "a1", true);
    check(r"^\z", "", true);
    check("(?i)ſ", "s", true);
    check("(?i:A)b", "ab", true);
    check("(?s).", "\n", true);
    check(".", "\n", false);
    check("^(a(?i)b)$", "aB", true);
}

#[test]
fn patterns_are_refused_as_go_refuses_them() {
    check_error("a(", "missing closing ): `a(`");
    check_error("a)", "unexpected ): `a)`");
    check_error("a[", "missing closing ]: `[`");
    check_error("(?x)a", "invalid or unsupported Perl syntax: `(?x`");
    check_error(r"\1", r"invalid escape sequence: `\1`");
    check_error(r"\C", r"invalid escape sequence: `\C`");
    check_error(r"\Z", r"invalid escape sequence: `\Z`");
    check_error(r"\h", r"invalid escape sequence: `\h`");
    check_error(r"[a-\d]", r"invalid escape sequence: `\d`");
    check_error("*a", "missing argument to repetition operator: `*`");
    check_error("a|??", "missing argument to repetition operator: `??`");
    check_error("({2})", "missing argument to repetition operator: `{2}`");
    check_error("a**", "invalid nested repetition operator: `**`");
    check_error("x{1001}", "invalid repeat count: `{1001}`");
    check_error("[z-a]", "invalid character class range: `z-a`");
    check_error("a\\", "trailing backslash at end of expression: ``");
}

#[test]
fn a_pattern_that_explodes_is_refused() {
    assert!(compile(&"(".repeat(10_000)).is_err());
    assert!(compile(&format!("{}a{}", "(".repeat(10_000), ")".repeat(10_000))).is_err());
    assert!(compile("((((a{1000}){1000}){1000}){1000})").is_err());
}
