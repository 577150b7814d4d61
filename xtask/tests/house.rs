//! The house in order: the layer test and the tidy checks, on the tree as it stands.

fn check(found: &[String]) {
    assert!(found.is_empty(), "{} out of order:\n{}", found.len(), found.join("\n"));
}

#[test]
fn no_crate_sees_what_is_behind_its_walls() {
    check(&sigward_xtask::layers::check().unwrap());
}

#[test]
fn the_tree_is_tidy() {
    check(&sigward_xtask::tidy::check().unwrap());
}
