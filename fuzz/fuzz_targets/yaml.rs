//! YAML: no text makes the reader panic or loop, spans lie within the text, and what it reads survives its own print.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_document::yaml::{Duplicates, YamlOptions, YamlStyle, parse_yaml_with, to_yaml_with};
use sigward_document::{Spans, parse_yaml_stream};

fn within(spans: &Spans, length: usize) {
    assert!(
        spans.0.start <= spans.0.end && spans.0.end as usize <= length,
        "a span outside the text"
    );
    spans.1.iter().for_each(|below| within(below, length));
}

fuzz_target!(|text: &str| {
    let lenient = YamlOptions { duplicates: Duplicates::LastWins, ..YamlOptions::default() };
    let _ = parse_yaml_with(text, lenient);
    for document in parse_yaml_stream(text).into_iter().flatten() {
        within(&document.spans, text.len());
        for style in [YamlStyle::GoYaml3, YamlStyle::Kubernetes] {
            let printed = to_yaml_with(&document.value, style);
            // A key may print as something that is read as another one, but a text stays a text.
            let back = parse_yaml_with(&printed, lenient).expect("our own text");
            assert_eq!(back.value, document.value, "{printed}");
        }
    }
});
