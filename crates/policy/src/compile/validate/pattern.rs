//! What can be said of a pattern when its policy is loaded.
use crate::{
    compile::Sink,
    pattern::anchor::{self, Anchor},
};
use sigward_document::{Value, View};

/// Says what is wrong with a pattern.
pub(super) fn check(pattern: &Value, path: &str, any_kind: bool, sink: &mut Sink) {
    if any_kind {
        only_metadata(pattern, path, sink);
    }
    node(pattern, path, sink);
}

/// A rule for every kind knows nothing of an object but its metadata.
pub(in crate::compile) fn only_metadata(pattern: &Value, path: &str, sink: &mut Sink) {
    if let View::Map(map) = pattern.view()
        && map.keys().any(|key| anchor::parse(key).map_or(key, |(_, key)| key) != "metadata")
    {
        sink.error(path, "a rule for every kind can only speak of metadata");
    }
}

fn node(pattern: &Value, path: &str, sink: &mut Sink) {
    match pattern.view() {
        View::Map(map) => {
            for (written, value) in map.iter() {
                let here = format!("{path}.{written}");
                let (found, key) = match anchor::parse(written) {
                    Some((anchor, key)) => (Some(anchor), key),
                    None => (None, written),
                };
                match found {
                    Some(Anchor::AddIfAbsent) => {
                        sink.error(&here, "the anchor `+()` is for patches, not for patterns");
                    }
                    Some(Anchor::Existence) if !is_list_of_maps(value) => {
                        sink.error(&here, "an existence anchor needs a list of maps");
                    }
                    _ => {}
                }
                if key == "metadata" {
                    metadata(value, &here, sink);
                }
                node(value, &here, sink);
            }
        }
        View::List(items) => {
            if items.is_empty() {
                // COMPAT: Kyverno 1.19 takes it, and it fails every object; test: an_empty_list_in_a_pattern_fails_whatever_is_there
                sink.warn(path, "an empty list matches nothing");
            }
            let first = items.first();
            let unread = first.is_some_and(|first| first.as_list().is_none()) && items.len() > 1;
            if unread && !path.ends_with(')') {
                sink.warn(path, "only the first element of this list is compared");
            }
            for (i, item) in items.iter().enumerate() {
                node(item, &format!("{path}[{i}]"), sink);
            }
        }
        View::Null | View::Bool(_) | View::Int(_) | View::Float(_) | View::String(_) => {}
    }
}

fn is_list_of_maps(value: &Value) -> bool {
    value.as_list().is_some_and(|items| items.iter().all(|item| item.as_map().is_some()))
}

/// Labels and annotations are texts.
/// Labels and annotations that are no texts could never be those of an object.
pub(in crate::compile) fn metadata(value: &Value, path: &str, sink: &mut Sink) {
    let View::Map(map) = value.view() else { return };
    for (written, pairs) in map.iter() {
        let key = anchor::parse(written).map_or(written, |(_, key)| key);
        let View::Map(pairs) = pairs.view() else { continue };
        if key != "labels" && key != "annotations" {
            continue;
        }
        for (name, value) in pairs.iter() {
            if matches!(value.view(), View::Bool(_) | View::Int(_) | View::Float(_)) {
                sink.error_with(
                    &format!("{path}.{written}.{name}"),
                    "labels and annotations are strings",
                    "put the value in quotes",
                );
            }
        }
    }
}
