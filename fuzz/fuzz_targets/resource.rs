//! Custom resources in YAML or JSON: each kind is read, or a finding says why it is not.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_api::crd::{Resource, read};
use sigward_api::kyverno::{
    v1::{ClusterPolicy, Policy},
    v2::PolicyException,
};
use sigward_api::reports::{ClusterPolicyReport, PolicyReport};
use sigward_document::{Value, parse_yaml_stream};

fn check<T: Resource>(document: &Value) {
    let read = read::<T>(document);
    assert!(read.findings.len() <= 101, "findings without end");
    assert!(read.value.is_some() || !read.findings.is_empty(), "not read, and nobody says why");
}

fuzz_target!(|text: &str| {
    for document in parse_yaml_stream(text).into_iter().flatten() {
        check::<ClusterPolicy>(&document.value);
        check::<Policy>(&document.value);
        check::<PolicyException>(&document.value);
        check::<PolicyReport>(&document.value);
        check::<ClusterPolicyReport>(&document.value);
    }
});
