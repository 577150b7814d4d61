//! Patches: none makes the patcher panic or grow without bounds, and a diff leads from any tree to any other. The input
//! is a document, a line that is `---`, and a patch, all in JSON.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_document::parse_json;
use sigward_document::patch::{Operation, Options, apply, apply_with, diff};

fuzz_target!(|text: &str| {
    let Some((document, patch)) = text.split_once("\n---\n") else { return };
    let (Ok(document), Ok(patch)) = (parse_json(document.as_bytes()), parse_json(patch.as_bytes()))
    else {
        return;
    };
    // Two arbitrary trees, whatever the second one means.
    assert_eq!(apply(&document, &diff(&document, &patch)).expect("our own patch"), patch);
    let Ok(operations) = Operation::parse_list(&patch) else { return };
    for options in [Options::RFC, Options::KYVERNO] {
        let Ok(patched) = apply_with(&document, &operations, options) else { continue };
        let answer = diff(&document, &patched);
        assert_eq!(apply(&document, &answer).expect("our own patch"), patched);
    }
});
