//! Wildcards: the matcher agrees with the plain definition by recursion over a table. The input is a pattern and a text
//! with a newline between them.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_document::wildcard::matches;

fn by_definition(pattern: &[char], text: &[char]) -> bool {
    // row[j]: the pattern so far matches the first j characters.
    let mut row = vec![false; text.len() + 1];
    row[0] = true;
    for p in pattern {
        let mut next = vec![false; text.len() + 1];
        next[0] = *p == '*' && row[0];
        for (j, c) in text.iter().enumerate() {
            next[j + 1] = match p {
                '*' => row[j + 1] || next[j],
                '?' => row[j],
                p => row[j] && p == c,
            };
        }
        row = next;
    }
    row[text.len()]
}

fuzz_target!(|input: &str| {
    let Some((pattern, text)) = input.split_once('\n') else { return };
    if pattern.len() * text.len() > 1 << 20 {
        return;
    }
    let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    assert_eq!(matches(pattern, text), by_definition(&p, &t), "{pattern:?} {text:?}");
});
