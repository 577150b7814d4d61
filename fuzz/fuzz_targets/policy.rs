//! Policies: any document compiles or says why not, and a policy that cannot learn anything decides at once, admits nothing
//! that it could not tell, and decides the same without its memory of finished rules. The input is a policy, an exception
//! and an object, in YAML, with a line that is `---` between them; the exception may be left out.
#![no_main]
use libfuzzer_sys::fuzz_target;
use sigward_document::{Value, parse_yaml_stream};
use sigward_policy::{
    compile::{Compiled, Severity, compile_exception, compile_policy},
    decision::{Decision, ImageStatus, RuleType, Status},
    evaluate::{NoProbe, Progress, Step, evaluate},
    fact::{Cause, CauseKind, Facts, NoMemory},
    request::{
        GroupVersionKind, GroupVersionResource, Lazy, Operation, Request, Selection, Stage,
        Timestamp, User,
    },
    snapshot::{FailureAction, FailurePolicy, Settings, Snapshot},
};
use std::sync::{Arc, LazyLock};

static SETTINGS: LazyLock<Arc<Settings>> = LazyLock::new(|| {
    Arc::new(Settings {
        insecure_ignore_tlog_for_keys: true,
        exceptions_enabled: true,
        exception_namespace: "*".into(),
        ..Settings::default()
    })
});

/// The value of a document that compiles; a value is there exactly when no error is.
fn checked<T>(compiled: Compiled<T>) -> Option<T> {
    let refused = compiled.diagnostics.iter().any(|d| d.severity == Severity::Error);
    assert_eq!(compiled.value.is_none(), refused, "{:?}", compiled.diagnostics);
    compiled.value
}

fn request(object: &Value, stage: Stage) -> Request {
    let text = |path: &[&str]| object.str_at(path).unwrap_or_default().into();
    Request {
        uid: "u".into(),
        kind: GroupVersionKind { group: "".into(), version: "v1".into(), kind: text(&["kind"]) },
        parent: None,
        resource: GroupVersionResource {
            version: "v1".into(),
            resource: "pods".into(),
            ..Default::default()
        },
        sub_resource: "".into(),
        name: text(&["metadata", "name"]),
        namespace: text(&["metadata", "namespace"]),
        operation: Operation::Create,
        user: Some(User { username: "dev".into(), groups: vec!["team".into()], ..User::default() }),
        object: Lazy::from_value(object.clone()),
        old_object: Lazy::empty(),
        options: Lazy::empty(),
        dry_run: false,
        stage,
        selection: Selection::All,
        now: Timestamp(1_700_000_000),
        seed: 7,
        presets: None,
    }
}

fn print(decision: &Decision) -> String {
    format!("{decision:?}")
}

fn judge(snapshot: &Snapshot, request: &Request) {
    let mut open = Facts::new(Arc::new(NoMemory));
    let mut progress = Progress::default();
    let first = evaluate(snapshot, request, &mut open, &mut progress, &mut NoProbe);
    let cause = Cause { kind: CauseKind::Deadline, place: "".into(), said: None };
    let run = |progress: &mut Progress| match evaluate(
        snapshot,
        request,
        &mut open.sealed(cause.clone()),
        progress,
        &mut NoProbe,
    ) {
        Step::Done(decision) => decision,
        Step::Need(wanted) => panic!("sealed facts suspend: {wanted:?}"),
    };
    let decision = run(&mut Progress::default());
    assert_eq!(print(&run(&mut progress.clone())), print(&decision), "what is remembered decides");
    match first {
        Step::Done(first) => assert_eq!(print(&first), print(&decision), "nothing was unknown"),
        Step::Need(wanted) => assert!(!wanted.is_empty(), "waits for nothing"),
    }
    for rule in &decision.rules {
        assert!(!rule.blocks || !decision.allowed, "blocks and is admitted: {rule:?}");
        let strict = rule.failure_policy == FailurePolicy::Fail;
        let blocks = match (rule.status, rule.rule_type) {
            (Status::Error, RuleType::Mutation) => strict,
            (Status::Error, _) => strict && rule.action == FailureAction::Enforce,
            (Status::Fail, RuleType::ImageVerify) => rule.action == FailureAction::Enforce,
            _ => false,
        };
        assert!(rule.blocks || !blocks, "not told, and yet no obstacle: {rule:?}");
        if rule.images.iter().any(|image| matches!(image.status, ImageStatus::Undetermined(_))) {
            assert!(
                matches!(rule.status, Status::Error | Status::Fail),
                "taken for true: {rule:?}"
            );
        }
        // With an empty memory and no registry nothing can have been proved.
        assert!(!rule.images.iter().any(|image| image.status == ImageStatus::Verified));
    }
}

fuzz_target!(|text: &str| {
    let documents: Vec<Value> =
        parse_yaml_stream(text).into_iter().flatten().map(|document| document.value).collect();
    let Some((document, rest)) = documents.split_first() else { return };
    let policy = checked(compile_policy(document, &SETTINGS));
    let _ = checked(compile_exception(document, &SETTINGS));
    let (Some(policy), Some(object)) = (policy, rest.last()) else { return };
    let exceptions = rest[..rest.len() - 1]
        .iter()
        .filter_map(|exception| checked(compile_exception(exception, &SETTINGS)))
        .map(Arc::new)
        .collect();
    let snapshot = Snapshot::new(1, vec![Arc::new(policy)], exceptions, SETTINGS.clone());
    for stage in [Stage::Mutating, Stage::Validating, Stage::All] {
        judge(&snapshot, &request(object, stage));
    }
});
