//! Each attack that TUF is there against, made by a mirror that holds everything but the keys; and the ways it may go well.
use super::*;
use crate::requirement::Timestamp;
use proptest::prelude::*;
use sigward_testkit::sigstore::{
    Clock,
    tuf::{Attack, Repository as Mirror, Role},
};

const NOW: i64 = 1_790_000_000;
const WEEK: i64 = 7 * 86_400;

fn mirror() -> Mirror {
    let mut mirror = Mirror::new(Clock::at(NOW)).unwrap();
    mirror.put("trusted_root.json", "first", None);
    mirror.publish(&Attack::None).unwrap();
    mirror
}

fn update_at(mirror: &Mirror, root: &[u8], kept: Kept, at: i64) -> Result<Repository, TufError> {
    let mut update = Update::new(root, kept, Timestamp(at))?;
    while let Some(ask) = update.wanted()? {
        let bytes = mirror.file(&ask.path);
        // Whoever fetches reads no more than was said.
        if let Some(bytes) = &bytes
            && u64::try_from(bytes.len()).unwrap() > ask.limit
        {
            return Err(TufError::new(&ask.path, Problem::TooLarge { limit: ask.limit }));
        }
        update.answer(bytes.as_deref())?;
    }
    update.finish()
}

fn first(mirror: &Mirror) -> Result<Repository, TufError> {
    update_at(mirror, &mirror.root(), Kept::default(), NOW)
}

/// Updates what was trusted before.
fn again(mirror: &Mirror, before: &Repository) -> Result<Repository, TufError> {
    let kept = before.kept().clone();
    update_at(mirror, kept.root.as_deref().unwrap(), kept.clone(), NOW)
}

fn target(mirror: &Mirror, repository: &mut Repository, name: &str) -> Result<Vec<u8>, TufError> {
    loop {
        match repository.find(name)? {
            Find::Found(target) => {
                let ask = repository.ask_target(&target)?;
                let bytes = mirror.file(&ask.path).unwrap_or_default();
                target.check(&bytes)?;
                return Ok(bytes.to_vec());
            }
            Find::Needs(wanted) => {
                let bytes = mirror.file(&wanted.ask.path).unwrap_or_default();
                repository.delegate(*wanted, &bytes)?;
            }
        }
    }
}

fn problem(result: Result<impl std::fmt::Debug, TufError>) -> (String, Problem) {
    let error = result.unwrap_err();
    (error.file.to_string(), error.problem)
}

fn attacked(attack: &Attack) -> (String, Problem) {
    let mut mirror = mirror();
    let trusted = first(&mirror).unwrap();
    mirror.publish(attack).unwrap();
    problem(again(&mirror, &trusted))
}

#[test]
fn a_target_is_found_and_checked() {
    let mirror = mirror();
    let mut trusted = first(&mirror).unwrap();
    assert_eq!(target(&mirror, &mut trusted, "trusted_root.json").unwrap(), b"first");
    assert_eq!(trusted.names().collect::<Vec<_>>(), ["trusted_root.json"]);
    assert_eq!(trusted.expires(), Timestamp(NOW + WEEK));
    assert_eq!(problem(trusted.find("other.json")).1, Problem::NoTarget);
}

#[test]
fn what_was_kept_is_trusted_until_it_expires_without_asking() {
    let mirror = mirror();
    let trusted = first(&mirror).unwrap();
    let opened = Repository::open(trusted.kept(), Timestamp(NOW + WEEK - 1)).unwrap();
    assert_eq!(opened.versions(), trusted.versions());
    let late = Repository::open(trusted.kept(), Timestamp(NOW + WEEK));
    assert!(matches!(problem(late).1, Problem::Expired { .. }));
}

#[test]
fn what_was_kept_and_then_changed_is_not_trusted() {
    let mirror = mirror();
    let kept = first(&mirror).unwrap().kept().clone();
    let flip = |file: &Option<Vec<u8>>| {
        let text = String::from_utf8(file.clone().unwrap()).unwrap();
        Some(text.replacen("\"version\":", "\"version\":1", 1).into_bytes())
    };
    for changed in [
        Kept { root: flip(&kept.root), ..kept.clone() },
        Kept { timestamp: flip(&kept.timestamp), ..kept.clone() },
        Kept { snapshot: flip(&kept.snapshot), ..kept.clone() },
        Kept { targets: flip(&kept.targets), ..kept.clone() },
        Kept { targets: None, ..kept.clone() },
    ] {
        assert!(Repository::open(&changed, Timestamp(NOW)).is_err());
    }
    // A cache that was tampered with does not stand in the way of an update.
    let broken = Kept { timestamp: flip(&kept.timestamp), snapshot: None, ..kept.clone() };
    assert!(update_at(&mirror, &mirror.root(), broken, NOW).is_ok());
}

#[test]
fn rollback_of_each_role_is_refused() {
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
        let (file, problem) = attacked(&Attack::Rollback(role));
        assert!(matches!(problem, Problem::Rollback { found: 1, .. }), "{file} {problem:?}");
    }
    // Older files as they once were, all of them.
    let mut mirror = mirror();
    let old = mirror.snapshot();
    mirror.publish(&Attack::None).unwrap();
    let trusted = first(&mirror).unwrap();
    mirror.restore(old);
    assert!(matches!(problem(again(&mirror, &trusted)).1, Problem::Rollback { .. }));
}

#[test]
fn rollback_of_the_root_is_refused() {
    let mut mirror = mirror();
    let first_root = mirror.root();
    mirror.rotate_root(&Attack::None).unwrap();
    let trusted = first(&mirror).unwrap();
    assert_eq!(trusted.root_version(), 2);
    mirror.serve("3.root.json", first_root);
    assert!(again(&mirror, &trusted).is_err());
}

#[test]
fn a_freeze_ends_when_the_metadata_expire() {
    let mirror = mirror();
    let trusted = first(&mirror).unwrap();
    let frozen = update_at(&mirror, &mirror.root(), trusted.kept().clone(), NOW + WEEK);
    let (_, problem) = problem(frozen);
    assert_eq!(problem, Problem::Expired { at: Timestamp(NOW + WEEK) });
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
        let (file, problem) = attacked(&Attack::Expired(role));
        assert_eq!(file, role.name());
        assert!(matches!(problem, Problem::Expired { .. }), "{problem:?}");
    }
}

#[test]
fn an_expired_root_is_refused_unless_a_newer_one_follows() {
    let mut mirror = mirror();
    mirror.publish_root(&Attack::Expired(Role::Root)).unwrap();
    let (file, found) = problem(first(&mirror));
    assert_eq!(file, "root");
    assert!(matches!(found, Problem::Expired { .. }));
    mirror.publish_root(&Attack::None).unwrap();
    assert_eq!(first(&mirror).unwrap().root_version(), 3);
}

#[test]
fn a_threshold_counts_distinct_keys() {
    // CVE-2026-23992, and one key that signs as often as keys are needed.
    for role in [Role::Targets, Role::Snapshot, Role::Timestamp] {
        for attack in [Attack::BelowThreshold(role), Attack::OtherKeys(role)] {
            let (file, problem) = attacked(&attack);
            assert_eq!(file, role.name());
            assert!(matches!(problem, Problem::Threshold { .. }), "{problem:?}");
        }
    }
    let (file, problem) = attacked(&Attack::OneKeyManyTimes(Role::Targets));
    assert_eq!((file.as_str(), problem), ("targets", Problem::Threshold { found: 1, needed: 2 }));
}

#[test]
fn one_key_under_two_ids_is_one_key() {
    let mirror = mirror();
    let mut root: serde_json::Value = serde_json::from_slice(&mirror.root()).unwrap();
    let unverified = metadata::Unverified::parse("root", &mirror.root(), MAX_ROOT).unwrap();
    let mut signers = unverified.root().unwrap().own;
    let (id, key) = signers.keys.first_key_value().map(|(i, k)| (i.clone(), k.clone())).unwrap();
    signers.keys = [(id.clone(), key.clone()), ("twin".to_owned(), key)].into();
    let list = root["signatures"].as_array_mut().unwrap();
    let mut twin = list.iter().find(|one| one["keyid"] == id.as_str()).unwrap().clone();
    twin["keyid"] = "twin".into();
    list.push(twin);
    let doubled =
        metadata::Unverified::parse("root", root.to_string().as_bytes(), MAX_ROOT).unwrap();
    let found = doubled.check(&signers).unwrap_err().problem;
    assert_eq!(found, Problem::Threshold { found: 1, needed: 2 });
}

#[test]
fn a_threshold_of_nobody_is_never_met() {
    let mirror = mirror();
    let unverified = metadata::Unverified::parse("root", &mirror.root(), MAX_ROOT).unwrap();
    let mut signers = unverified.root().unwrap().own;
    signers.threshold = 0;
    assert!(matches!(unverified.check(&signers).unwrap_err().problem, Problem::Threshold { .. }));
}

#[test]
fn keys_rotate_by_roots_that_old_and_new_keys_sign() {
    let mut mirror = mirror();
    let trusted = first(&mirror).unwrap();
    for _ in 0..3 {
        mirror.rotate_root(&Attack::None).unwrap();
    }
    assert_eq!(again(&mirror, &trusted).unwrap().root_version(), 4);
    // The first root alone is enough to get there.
    assert_eq!(first(&mirror).unwrap().root_version(), 4);
}

#[test]
fn a_root_that_the_old_keys_did_not_sign_is_refused() {
    for attack in [Attack::BelowThreshold(Role::Root), Attack::OtherKeys(Role::Root)] {
        let mut mirror = mirror();
        let trusted = first(&mirror).unwrap();
        mirror.rotate_root(&attack).unwrap();
        let (file, problem) = problem(again(&mirror, &trusted));
        assert_eq!(file, "root");
        assert!(matches!(problem, Problem::Threshold { .. }), "{problem:?}");
    }
}

#[test]
fn arbitrary_installation_is_refused() {
    // A whole repository of somebody else's.
    let (mine, other) = (mirror(), mirror());
    let stranger = update_at(&other, &mine.root(), Kept::default(), NOW);
    assert!(matches!(problem(stranger).1, Problem::Threshold { found: 0, .. }));
    // Other bytes under the name of a target.
    let mut mirror = mirror();
    let mut trusted = first(&mirror).unwrap();
    let Find::Found(found) = trusted.find("trusted_root.json").unwrap() else { panic!() };
    mirror.serve(&trusted.ask_target(&found).unwrap().path, "other");
    let swapped = problem(target(&mirror, &mut trusted, "trusted_root.json"));
    assert_eq!(swapped.1, Problem::Mismatch { what: "SHA-256" });
}

#[test]
fn mix_and_match_is_refused() {
    let (file, problem) = attacked(&Attack::MixAndMatch);
    assert_eq!(file, "targets");
    assert!(matches!(problem, Problem::MixedUp { .. }), "{problem:?}");
    assert_eq!(
        attacked(&Attack::WrongSnapshotHash),
        ("snapshot".to_owned(), Problem::Mismatch { what: "SHA-256" })
    );
}

#[test]
fn a_role_does_not_stand_in_for_another() {
    for role in [Role::Timestamp, Role::Snapshot, Role::Targets] {
        let (file, problem) = attacked(&Attack::WrongType(role));
        assert_eq!(file, role.name());
        assert_eq!(problem, Problem::WrongType { found: "mirrors".into() });
    }
}

#[test]
fn a_target_of_another_length_is_refused() {
    for (attack, what) in
        [(Attack::WrongTargetHash, "SHA-256"), (Attack::WrongTargetLength, "length")]
    {
        let mut mirror = mirror();
        mirror.publish(&attack).unwrap();
        let mut trusted = first(&mirror).unwrap();
        let wrong = problem(target(&mirror, &mut trusted, "trusted_root.json"));
        assert_eq!(wrong.1, Problem::Mismatch { what });
    }
}

#[test]
fn endless_data_are_cut_off() {
    let mut mirror = mirror();
    let trusted = first(&mirror).unwrap();
    let caps = [("timestamp.json", MAX_TIMESTAMP), ("2.root.json", MAX_ROOT)];
    for (path, cap) in caps {
        let whole = mirror.snapshot();
        mirror.serve(path, vec![b' '; usize::try_from(cap).unwrap() + 1]);
        let (file, problem) = problem(again(&mirror, &trusted));
        assert_eq!(problem, Problem::TooLarge { limit: cap }, "{file}");
        mirror.restore(whole);
    }
    // Whoever hands over more than was asked for is found out, too.
    let mut update = Update::new(&mirror.root(), Kept::default(), Timestamp(NOW)).unwrap();
    let long = vec![b' '; usize::try_from(MAX_ROOT).unwrap() + 1];
    let answer = problem(update.answer(Some(&long)));
    assert_eq!(answer.1, Problem::TooLarge { limit: MAX_ROOT });
    // A snapshot is read up to the length that the timestamp says, not up to the cap.
    mirror.publish(&Attack::None).unwrap();
    let mut update = Update::new(&mirror.root(), Kept::default(), Timestamp(NOW)).unwrap();
    update.answer(None).unwrap();
    update.answer(mirror.file("timestamp.json").as_deref()).unwrap();
    let ask = update.wanted().unwrap().unwrap();
    let length = u64::try_from(mirror.file(&ask.path).unwrap().len()).unwrap();
    assert_eq!(ask.limit, length);
}

#[test]
fn a_chain_of_roots_without_an_end_is_cut_off() {
    let mut mirror = mirror();
    for _ in 0..=MAX_ROTATIONS {
        mirror.publish_root(&Attack::None).unwrap();
    }
    assert!(matches!(problem(first(&mirror)).1, Problem::TooMany { what: "new versions", .. }));
}

#[test]
fn path_traversal_in_target_names_is_refused() {
    // sigstore CVE-2026-24137, and CVE-2026-24686 by the name of a role.
    let mut mirror = mirror();
    for name in ["../escaped", "/etc/passwd", "a/../../b", "a\\..\\b"] {
        mirror.put(name, "evil", None);
    }
    mirror.publish(&Attack::None).unwrap();
    let mut trusted = first(&mirror).unwrap();
    for name in ["../escaped", "/etc/passwd", "a/../../b", "a\\..\\b"] {
        assert_eq!(problem(target(&mirror, &mut trusted, name)).1, Problem::Path, "{name}");
    }
    assert!(target(&mirror, &mut trusted, "trusted_root.json").is_ok());
    for role in ["../root", "a/b", "root"] {
        let mut mirror = mirror_with(role, &["*"]);
        mirror.publish(&Attack::None).unwrap();
        assert_eq!(problem(first(&mirror)).1, Problem::Path, "{role}");
    }
}

fn mirror_with(role: &str, paths: &[&str]) -> Mirror {
    let mut mirror = mirror();
    mirror.delegate(role, paths, false).unwrap();
    mirror
}

#[test]
fn delegations_speak_only_about_their_paths() {
    let mut mirror = mirror_with("npm", &["npm/*"]);
    mirror.put_delegated("npm", "npm/keys.json", "delegated");
    mirror.put_delegated("npm", "other/keys.json", "not theirs");
    mirror.put_delegated("npm", "trusted_root.json", "not theirs");
    mirror.publish(&Attack::None).unwrap();
    let mut trusted = first(&mirror).unwrap();
    assert_eq!(target(&mirror, &mut trusted, "npm/keys.json").unwrap(), b"delegated");
    assert_eq!(problem(target(&mirror, &mut trusted, "other/keys.json")).1, Problem::NoTarget);
    assert_eq!(target(&mirror, &mut trusted, "trusted_root.json").unwrap(), b"first");
    assert_eq!(trusted.kept().delegated.len(), 1);
}

#[test]
fn a_terminating_delegation_ends_the_search() {
    for (terminating, expected) in [(false, Ok(b"second".to_vec())), (true, Err(Problem::NoTarget))]
    {
        let mut mirror = mirror();
        mirror.delegate("one", &["a/*"], terminating).unwrap();
        mirror.delegate("two", &["a/*"], false).unwrap();
        mirror.put_delegated("two", "a/b", "second");
        mirror.publish(&Attack::None).unwrap();
        let mut trusted = first(&mirror).unwrap();
        let found = target(&mirror, &mut trusted, "a/b").map_err(|error| error.problem);
        assert_eq!(found, expected);
    }
}

#[test]
fn the_first_delegation_that_knows_a_target_wins() {
    let mut mirror = mirror();
    for role in ["one", "two"] {
        mirror.delegate(role, &["a/*"], false).unwrap();
        mirror.put_delegated(role, "a/b", role.to_owned());
    }
    mirror.publish(&Attack::None).unwrap();
    let mut trusted = first(&mirror).unwrap();
    assert_eq!(target(&mirror, &mut trusted, "a/b").unwrap(), b"one");
}

#[test]
fn a_delegated_role_signed_by_others_is_refused() {
    // CVE-2024-47534: whoever delegates says whose signatures count.
    let mut mirror = mirror_with("npm", &["npm/*"]);
    mirror.put_delegated("npm", "npm/keys.json", "delegated");
    mirror.publish(&Attack::None).unwrap();
    let mut trusted = first(&mirror).unwrap();
    let Find::Needs(wanted) = trusted.find("npm/keys.json").unwrap() else { panic!() };
    let own = mirror.file(&wanted.ask.path).unwrap();
    let mut file: serde_json::Value = serde_json::from_slice(&own).unwrap();
    file["signatures"] = serde_json::json!([]);
    let unsigned = trusted.delegate((*wanted).clone(), file.to_string().as_bytes());
    assert_eq!(problem(unsigned).1, Problem::Threshold { found: 0, needed: 1 });
    assert!(trusted.delegate(*wanted, &own).is_ok());
}

#[test]
fn too_many_delegations_are_not_followed() {
    let mut mirror = mirror();
    for i in 0..=MAX_DELEGATIONS {
        mirror.delegate(&format!("role{i}"), &["*"], false).unwrap();
    }
    mirror.publish(&Attack::None).unwrap();
    let mut trusted = first(&mirror).unwrap();
    let found = problem(target(&mirror, &mut trusted, "nobody.json"));
    assert!(matches!(found.1, Problem::TooMany { what: "delegated roles", .. }));
}

#[test]
fn a_repository_that_did_not_change_costs_two_requests() {
    let mirror = mirror();
    let trusted = first(&mirror).unwrap();
    let kept = trusted.kept().clone();
    let mut update = Update::new(&mirror.root(), kept, Timestamp(NOW)).unwrap();
    let mut asked = Vec::new();
    while let Some(ask) = update.wanted().unwrap() {
        update.answer(mirror.file(&ask.path).as_deref()).unwrap();
        asked.push(ask.path);
    }
    assert_eq!(asked, ["2.root.json", "timestamp.json"]);
    assert_eq!(update.finish().unwrap().versions(), trusted.versions());
}

#[test]
fn metadata_that_are_named_and_not_there_are_an_error() {
    let mut mirror = mirror();
    let whole = mirror.snapshot();
    for missing in ["timestamp.json", "2.snapshot.json", "2.targets.json"] {
        let mut fewer = whole.clone();
        assert!(fewer.remove(missing).is_some(), "{missing}");
        mirror.restore(fewer);
        assert_eq!(problem(first(&mirror)).1, Problem::Missing, "{missing}");
    }
}

#[test]
fn the_roots_of_public_instances_are_signed_by_themselves() {
    let Some(shared) = std::env::var_os("SIGWARD_SHARED") else {
        println!("skipped: SIGWARD_SHARED is not set");
        return;
    };
    let folder = std::path::Path::new(&shared).join("reference").join("trust");
    for (file, version) in [("root.json", 16), ("root_staging.json", 15), ("root_github.json", 9)] {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let update = Update::new(&bytes, Kept::default(), Timestamp(NOW)).unwrap();
        let path = format!("{}.root.json", version + 1);
        assert_eq!(update.wanted().unwrap().unwrap().path, path);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, text in "[{}\\[\\]\":,a-z0-9]{0,64}") {
        let mirror = mirror();
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            prop_assert!(Update::new(bytes, Kept::default(), Timestamp(NOW)).is_err());
            let mut update = Update::new(&mirror.root(), Kept::default(), Timestamp(NOW)).unwrap();
            prop_assert!(update.answer(Some(bytes)).is_err());
        }
    }
}
