//! Filters on requests.
use super::*;
use crate::{
    matching::subject::{BoundRoles, Envelope},
    request::{GroupVersionKind, User},
};

struct Request {
    kind: GroupVersionKind,
    name: &'static str,
    namespace: &'static str,
    user: Option<User>,
    metadata: Value,
}

impl Candidate for Request {
    fn envelope(&self) -> Envelope<'_> {
        Envelope {
            operation: Operation::Create,
            kind: &self.kind,
            sub_resource: "",
            name: self.name,
            namespace: self.namespace,
            user: self.user.as_ref(),
        }
    }
    fn generate_name(&mut self) -> Result<SmolStr, Stop> {
        Ok("made-".into())
    }
    fn metadata(&mut self, member: &str) -> Result<Value, Stop> {
        Ok(self.metadata.get(member).cloned().unwrap_or(Value::NULL))
    }
    fn namespace_labels(&mut self) -> Result<Value, Stop> {
        Ok(Value::map([("env".into(), Value::string("prod"))]))
    }
    fn roles(&mut self) -> Result<BoundRoles, Stop> {
        Ok(BoundRoles { roles: vec!["ns:edit".into()], cluster_roles: vec!["view".into()] })
    }
}

fn pod() -> Request {
    Request {
        kind: GroupVersionKind { group: "".into(), version: "v1".into(), kind: "Pod".into() },
        name: "web-1",
        namespace: "shop",
        user: Some(User {
            username: "system:serviceaccount:ci:bot".into(),
            groups: vec!["dev".into()],
            ..User::default()
        }),
        metadata: sigward_document::parse_json(
            br#"{"labels":{"app":"web"},"annotations":{"a/b":"c"}}"#,
        )
        .unwrap(),
    }
}

fn kinds(kinds: &[&str]) -> Filter {
    Filter { kinds: kinds.iter().map(|k| kind::parse(k)).collect(), ..Filter::default() }
}

#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn check(filter: Filter, mut request: Request, expected: bool) {
    let block = Block { joined: Joined::Any, filters: vec![filter.clone()] };
    assert_eq!(block.matches(&mut request).unwrap(), expected, "{filter:?}");
    // Policies are chosen by the envelope before anything else is asked.
    assert!(block.may_match(&request.envelope()) || !expected, "{filter:?}");
}

#[test]
fn the_envelope_rules_out_other_operations_kinds_and_namespaces() {
    let may = |joined, filters: &[Filter]| {
        Block { joined, filters: filters.to_vec() }.may_match(&pod().envelope())
    };
    let other = Filter { namespaces: names(&["prod"]), ..Filter::default() };
    let later = Filter { operations: vec![Operation::Update], ..kinds(&["Pod"]) };
    let named = Filter { names: names(&["db"]), ..kinds(&["Pod"]) };
    for ruled_out in [&other, &later, &kinds(&["Service"]), &Filter::default()] {
        assert!(!may(Joined::Any, std::slice::from_ref(ruled_out)), "{ruled_out:?}");
        assert!(!may(Joined::All, &[kinds(&["Pod"]), ruled_out.clone()]), "{ruled_out:?}");
        assert!(may(Joined::Any, &[kinds(&["Pod"]), ruled_out.clone()]), "{ruled_out:?}");
    }
    // The name may be one that the server has yet to make: it takes the object to tell.
    assert!(may(Joined::All, &[named]));
    assert!(!may(Joined::All, &[]) && !may(Joined::Any, &[]));
}

fn names(list: &[&str]) -> Vec<SmolStr> {
    list.iter().map(SmolStr::new).collect()
}

#[test]
fn attributes_are_and_and_lists_are_or() {
    check(Filter { names: names(&["db*", "web-?"]), ..kinds(&["Service", "Pod"]) }, pod(), true);
    check(Filter { names: names(&["db*"]), ..kinds(&["Pod"]) }, pod(), false);
    check(Filter { namespaces: names(&["sh*"]), ..kinds(&["Pod"]) }, pod(), true);
    check(Filter { namespaces: names(&["prod"]), ..kinds(&["Pod"]) }, pod(), false);
    check(Filter { operations: vec![Operation::Update], ..kinds(&["Pod"]) }, pod(), false);
    check(Filter { annotations: vec![("a/*".into(), "?".into())], ..kinds(&["Pod"]) }, pod(), true);
    check(
        Filter { annotations: vec![("a/*".into(), "??".into())], ..kinds(&["Pod"]) },
        pod(),
        false,
    );
}

#[test]
fn a_name_that_is_to_be_made_is_matched_by_its_prefix() {
    check(
        Filter { names: names(&["made-*"]), ..kinds(&["Pod"]) },
        Request { name: "", ..pod() },
        true,
    );
}

#[test]
fn selectors_look_at_labels_of_object_and_namespace() {
    let label = |key: &str, value: &str| {
        Some(Selector { labels: vec![(key.into(), value.into())], expressions: Vec::new() })
    };
    check(Filter { selector: label("app", "web"), ..kinds(&["Pod"]) }, pod(), true);
    check(Filter { selector: label("app", "db"), ..kinds(&["Pod"]) }, pod(), false);
    check(Filter { namespace_selector: label("env", "prod"), ..kinds(&["Pod"]) }, pod(), true);
    let namespace = || Request {
        kind: GroupVersionKind { kind: "Namespace".into(), ..pod().kind },
        namespace: "",
        name: "shop",
        ..pod()
    };
    check(
        Filter { namespace_selector: label("env", "prod"), ..kinds(&["Namespace"]) },
        namespace(),
        false,
    );
    check(Filter { namespaces: names(&["shop"]), ..kinds(&["Namespace"]) }, namespace(), true);
}

#[test]
fn users_are_matched_by_subject_and_role() {
    let bot = Subject::ServiceAccount("system:serviceaccount:ci:*".into());
    check(Filter { subjects: vec![bot.clone()], ..kinds(&["Pod"]) }, pod(), true);
    check(Filter { subjects: vec![Subject::Group("dev".into())], ..kinds(&["Pod"]) }, pod(), true);
    check(
        Filter { subjects: vec![Subject::User("alice".into())], ..kinds(&["Pod"]) },
        pod(),
        false,
    );
    check(
        Filter { roles: names(&["ns:edit"]), cluster_roles: names(&["view"]), ..kinds(&["Pod"]) },
        pod(),
        true,
    );
    check(Filter { cluster_roles: names(&["admin"]), ..kinds(&["Pod"]) }, pod(), false);
}

#[test]
fn without_a_user_match_passes_user_filters_and_exclude_does_not() {
    let filter = Filter { subjects: vec![Subject::User("alice".into())], ..kinds(&["Pod"]) };
    let block = Block { joined: Joined::Any, filters: vec![filter] };
    let mut scanned = Request { user: None, ..pod() };
    assert!(block.matches(&mut scanned).unwrap());
    assert!(!block.excludes(&mut scanned).unwrap());
}

#[test]
fn an_empty_filter_matches_nothing_and_all_needs_every_filter() {
    check(Filter::default(), pod(), false);
    let all = |filters: Vec<Filter>| Block { joined: Joined::All, filters };
    assert!(all(vec![kinds(&["Pod"]), kinds(&["*"])]).matches(&mut pod()).unwrap());
    assert!(!all(vec![kinds(&["Pod"]), kinds(&["Service"])]).matches(&mut pod()).unwrap());
    assert!(!all(Vec::new()).excludes(&mut pod()).unwrap());
    assert!(
        !Block { joined: Joined::Any, filters: vec![Filter::default()] }
            .excludes(&mut pod())
            .unwrap()
    );
}
