//! Time and number are bounded: what is not known in time is not "signed".
use crate::world::{World, pod};
use futures_util::FutureExt;
use sigward_policy::{
    decision::Status,
    evaluate::NoProbe,
    fact::{CauseKind, Fact, Fetch, NoMemory},
    request::Stage,
    resolve::{FactSource, MAX_FETCHES, Pending, Resolution},
};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

const KEYED: &str =
    r#"[{"imageReferences":["*"],"attestors":[{"entries":[{"keys":{"publicKeys":KEY}}]}]}]"#;

/// Answers nothing before it is told to.
#[derive(Default)]
struct Slow {
    asked: Mutex<Vec<Fetch>>,
    open: Arc<AtomicBool>,
}

impl FactSource for Slow {
    fn fetch(&self, fetch: Fetch) -> Pending {
        self.asked.lock().unwrap().push(fetch.clone());
        let open = Arc::clone(&self.open);
        Box::pin(std::future::poll_fn(move |context| {
            if open.load(Ordering::SeqCst) {
                let fact = if matches!(fetch, Fetch::Tag { .. }) {
                    Fact::Digest(Ok(None))
                } else {
                    Fact::Document(Ok(None))
                };
                std::task::Poll::Ready((fetch.clone(), fact))
            } else {
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            }
        }))
    }
}

fn resolution(world: &World, slow: &Arc<Slow>, images: &[&str]) -> Resolution {
    Resolution::new(
        world.snapshot(),
        Arc::new(pod(Stage::Mutating, images)),
        Arc::new(NoMemory),
        Arc::clone(slow) as Arc<dyn FactSource>,
        Box::new(NoProbe),
    )
}

#[test]
fn at_the_deadline_what_is_missing_is_undetermined_and_the_work_goes_on() {
    let mut world = World::new();
    world.policy(KEYED);
    let slow = Arc::new(Slow::default());
    let mut resolution = resolution(&world, &slow, &["a:1"]);
    assert!(resolution.run().now_or_never().is_none(), "the source hangs");
    let decision = resolution.conclude(CauseKind::Deadline);
    assert!(!decision.allowed);
    assert_eq!(decision.rules[0].status, Status::Error);
    let message = decision.message.unwrap();
    assert!(message.contains("deadline passed before the answer came"), "{message}");
    slow.open.store(true, Ordering::SeqCst);
    let decision = resolution.run().now_or_never().expect("goes on with what it had asked");
    assert!(decision.message.unwrap().contains("image tag not found"));
    assert_eq!(slow.asked.lock().unwrap().len(), 1, "nothing is asked twice");
}

#[test]
fn under_failure_policy_ignore_the_deadline_admits_with_a_warning() {
    let mut world = World::new();
    world.policy_with("lenient", r#""webhookConfiguration":{"failurePolicy":"Ignore"},"#, KEYED);
    let slow = Arc::new(Slow::default());
    let mut resolution = resolution(&world, &slow, &["a:1"]);
    assert!(resolution.run().now_or_never().is_none());
    let decision = resolution.conclude(CauseKind::Deadline);
    assert!(decision.allowed);
    assert!(decision.warnings[0].contains("deadline passed"), "{:?}", decision.warnings);
    assert_eq!(decision.patch.len(), 1, "the annotation says fail");
}

#[test]
fn a_request_that_asks_too_much_is_refused() {
    let mut world = World::new();
    world.policy(KEYED);
    let slow = Arc::new(Slow::default());
    let images: Vec<String> = (0..=MAX_FETCHES).map(|i| format!("a:{i}")).collect();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let decision = resolution(&world, &slow, &images).run().now_or_never().unwrap();
    assert!(!decision.allowed);
    assert_eq!(decision.rules[0].status, Status::Fail, "whatever the failure policy says");
    assert_eq!(slow.asked.lock().unwrap().len(), MAX_FETCHES);
}
