//! `initialize` and what verification makes of its cache: asked of a TUF mirror in this process.
use crate::stage::{Ran, Stage};
use sigward_testkit::sigstore::{
    Service, Services, ServicesOptions,
    tuf::{Attack, Role},
};
use std::path::PathBuf;

struct Bench {
    stage: Stage,
    services: Services,
    url: String,
}

impl Bench {
    fn new() -> Self {
        let services = Services::start(ServicesOptions::default()).unwrap();
        services.publish_trust().unwrap();
        let stage = Stage::new();
        stage.write("root.json", services.repository().root());
        let url = services.url(Service::Mirror);
        Self { stage, services, url }
    }

    fn initialize(&self, more: &[&str]) -> Ran {
        let line = ["initialize", "--mirror", &self.url, "--root", "root.json"];
        self.stage.run(&[&line[..], more].concat())
    }

    /// Which trusted root verification would take.
    fn show(&self) -> Ran {
        self.stage.run(&["trust", "show"])
    }

    fn cached(&self, file: &str) -> PathBuf {
        self.stage.folder.join(".sigstore/root").join(self.name()).join(file)
    }

    fn name(&self) -> String {
        self.url.trim_start_matches("http://").replace(':', "-")
    }

    /// As if the mirror had last been asked long ago.
    fn age(&self) {
        let note = format!(".sigstore/root/{}.json", self.name());
        assert!(self.stage.read(&note).contains("lastTimestamp"));
        self.stage.write(&note, r#"{"lastTimestamp":"2020-01-01T00:00:00Z"}"#);
    }
}

#[test]
fn initialize_fills_the_cache_and_says_nothing() {
    let bench = Bench::new();
    let ran = bench.initialize(&[]).ok();
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    let remote = bench.stage.read(".sigstore/root/remote.json");
    assert_eq!(remote, format!(r#"{{"mirror":"{}"}}"#, bench.url));
    for file in ["root.json", "timestamp.json", "snapshot.json", "targets.json"] {
        assert!(bench.cached(file).is_file(), "{file}");
    }
    for file in ["targets/trusted_root.json", "targets/signing_config.v0.2.json"] {
        assert!(bench.cached(file).is_file(), "{file}");
    }
    let rekor = bench.services.url(Service::Rekor);
    assert!(bench.show().ok().out.contains(&rekor));
}

#[test]
fn a_folder_is_a_mirror_without_a_network() {
    let bench = Bench::new();
    let paths = bench.services.repository().paths();
    for path in paths {
        let to = bench.stage.folder.join("mirror").join(&path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bench.services.repository().file(&path).unwrap()).unwrap();
    }
    let url = format!("file://{}/mirror", bench.stage.folder.display());
    bench.stage.run(&["initialize", "--mirror", &url, "--root", "root.json"]).ok();
    assert_eq!(bench.services.count(Service::Mirror), 0);
    assert!(bench.show().ok().out.contains(&bench.services.url(Service::Rekor)));
}

#[test]
fn a_root_is_checked_against_its_checksum() {
    let bench = Bench::new();
    let wrong = bench.initialize(&["--root-checksum", "00"]);
    let found = wrong.fails(1, "incorrect checksum for file root.json: expected 00 but got ").err;
    let (_, sum) = found.lines().next().unwrap().rsplit_once(' ').unwrap();
    bench.initialize(&["--root-checksum", sum]).ok();
    bench.initialize(&["--root-checksum", "sha512:00"]).fails(1, "incorrect checksum");
    bench.initialize(&["--root-checksum", "md5:00"]).fails(1, "unsupported hash algorithm");
    let url = format!("{}/1.root.json", bench.url);
    let line = ["initialize", "--mirror", &bench.url, "--root", &url];
    let warned = bench.stage.run(&line).ok();
    assert!(warned.err.contains("without providing its checksum is deprecated"), "{warned:?}");
    let none = format!("{}/none", bench.url);
    let line = ["initialize", "--mirror", &bench.url, "--root", &none];
    bench.stage.run(&line).fails(1, "server returned HTTP 404");
    let line = ["initialize", "--mirror", &bench.url, "--root", "none.json"];
    bench.stage.run(&line).fails(1, "open none.json: no such file or directory");
}

#[test]
fn a_mirror_of_another_root_is_not_trusted() {
    let bench = Bench::new();
    let other = Bench::new();
    let line = ["initialize", "--mirror", &other.url, "--root", "root.json"];
    bench.stage.run(&line).fails(1, "TUF timestamp: signed by 0 of the 1 keys that are needed");
    // The root that is built in is the public instance's.
    bench.stage.run(&["initialize", "--mirror", &other.url]).fails(1, "TUF timestamp: signed by 0");
    assert!(!bench.stage.has(".sigstore/root/remote.json"));
}

#[test]
fn staging_goes_before_the_other_flags() {
    let bench = Bench::new();
    // A proxy that is not there keeps the question on this machine.
    bench.services.go_down(Service::Mirror);
    let environment = [("HTTPS_PROXY", bench.url.as_str())];
    let line = ["initialize", "--staging", "--mirror", &bench.url, "--root", "none.json"];
    bench.stage.run_with(&environment, &line).fails(1, "tuf-repo-cdn.sigstage.dev");
}

#[test]
fn a_warm_cache_asks_nobody_and_survives_an_outage() {
    let bench = Bench::new();
    bench.initialize(&[]).ok();
    bench.services.reset_logs();
    bench.show().ok();
    assert_eq!(bench.services.count(Service::Mirror), 0);
    // After a day the mirror is asked what is new: two requests when nothing is.
    bench.age();
    bench.show().ok();
    assert_eq!(bench.services.count(Service::Mirror), 2);
    bench.show().ok();
    assert_eq!(bench.services.count(Service::Mirror), 2);
    // What has not expired stays good while the mirror is away.
    bench.age();
    bench.services.go_down(Service::Mirror);
    bench.show().ok();
}

#[test]
fn a_new_trusted_root_is_fetched_when_the_cache_is_old() {
    let bench = Bench::new();
    bench.initialize(&[]).ok();
    let before = bench.show().ok().out;
    let empty = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
    bench.services.repository().put("trusted_root.json", empty, None);
    bench.services.repository().rotate_root(&Attack::None).unwrap();
    bench.services.repository().publish(&Attack::None).unwrap();
    assert_eq!(bench.show().ok().out, before);
    bench.age();
    assert_ne!(bench.show().ok().out, before);
    assert!(std::fs::read_to_string(bench.cached("root.json")).unwrap().contains("\"version\":2"));
}

#[test]
fn an_attack_on_the_mirror_is_an_error_and_not_an_outage() {
    for (attack, words) in [
        (Attack::Rollback(Role::Timestamp), "is older than version"),
        (Attack::BelowThreshold(Role::Targets), "signed by 1 of the 2 keys"),
        (Attack::MixAndMatch, "where the metadata above it name version"),
        (Attack::Expired(Role::Snapshot), "TUF snapshot: expired at"),
    ] {
        let bench = Bench::new();
        bench.initialize(&[]).ok();
        bench.services.repository().publish(&attack).unwrap();
        bench.age();
        bench.show().fails(1, words);
    }
}

#[test]
fn a_cache_that_was_changed_is_not_believed() {
    let bench = Bench::new();
    bench.initialize(&[]).ok();
    let good = bench.show().ok().out;
    let target = bench.cached("targets/trusted_root.json");
    std::fs::write(&target, "{}").unwrap();
    bench.services.reset_logs();
    assert_eq!(bench.show().ok().out, good);
    assert!(bench.services.count(Service::Mirror) > 0);
    std::fs::write(&target, "{}").unwrap();
    bench.services.go_down(Service::Mirror);
    bench.show().fails(1, "getting trusted root from TUF");
}

#[test]
fn offline_the_cache_is_enough_or_it_is_an_error() {
    let bench = Bench::new();
    bench.initialize(&[]).ok();
    bench.age();
    bench.services.reset_logs();
    let image = bench.stage.image("v1");
    let who = ["--certificate-identity=a", "--certificate-oidc-issuer=b"];
    let line = [&["verify", "--offline"], &who[..], &[&image]].concat();
    bench.stage.run(&line).fails(10, "no signatures found");
    std::fs::write(bench.cached("targets/trusted_root.json"), "{}").unwrap();
    bench.stage.run(&line).fails(1, "cannot be used with --offline");
    assert_eq!(bench.services.count(Service::Mirror), 0);
}
