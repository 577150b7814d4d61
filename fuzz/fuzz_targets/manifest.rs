//! Manifests: what is read survives its own text, and nothing is read both as an image and as an index.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_oci::{Manifest, media_type};

fuzz_target!(|bytes: &[u8]| {
    let as_image = Manifest::parse(bytes, Some(media_type::OCI_MANIFEST));
    let as_index = Manifest::parse(bytes, Some(media_type::OCI_INDEX));
    assert!(
        !(matches!(as_image, Ok(Manifest::Index(_))) || matches!(as_index, Ok(Manifest::Image(_))))
    );
    let Ok(found) = Manifest::parse(bytes, None) else { return };
    // A document without any shape is what its reader was told it is; one that has a shape is that for everyone.
    let told = match &found {
        Manifest::Image(_) => as_image,
        Manifest::Index(_) => as_index,
    };
    assert_eq!(told.expect("the same document"), found);
    let text = match &found {
        Manifest::Image(image) => serde_json::to_vec(image),
        Manifest::Index(index) => serde_json::to_vec(index),
    };
    let text = text.expect("plain data");
    let content_type = match &found {
        Manifest::Image(_) => media_type::OCI_MANIFEST,
        Manifest::Index(_) => media_type::OCI_INDEX,
    };
    assert_eq!(Manifest::parse(&text, Some(content_type)).expect("our own text"), found);
});
