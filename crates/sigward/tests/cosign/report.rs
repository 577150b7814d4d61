//! `verify -o report` and `verify -r FILE`: what machines read about each image.
use crate::stage::{IGNORE_LOG, Stage};
use sigward_testkit::{
    keys::{Algorithm, KeyPair},
    registry::{Effect, Fault, Options},
};

fn reports(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_report_names_the_reason_of_each_candidate() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let none = stage.run(&["verify", "--key", "k.pub", IGNORE_LOG, "-o", "report", &image]);
    assert_eq!(none.code, 10);
    let report = &reports(&none.out)[0];
    assert_eq!(report["outcome"], "refuted");
    assert_eq!(report["digest"], stage.digest("v1").as_str());
    assert_eq!(report["exitCode"], 10);
    stage.sign(&image, &[]).ok();
    stage.sign(&image, &["--new-bundle-format=false"]).ok();
    let good = stage.verify(&image, &["-o=report"]).ok();
    let report = &reports(&good.out)[0];
    assert_eq!(report["outcome"], "verified");
    assert_eq!(report["exitCode"], 0);
    assert_eq!(report["checks"]["claims"], true);
    assert_eq!(report["checks"]["transparencyLog"], false);
    assert_eq!(report["signatures"][0]["store"], "bundle");
    assert_eq!(
        report["signatures"][0]["payload"]["critical"]["image"]["docker-manifest-digest"],
        stage.digest("v1").as_str()
    );
    stage.write_key("other", &KeyPair::generate(Algorithm::EcdsaP256).unwrap());
    let bad = stage.run(&["verify", "--key", "other.pub", IGNORE_LOG, "-o", "report", &image]);
    assert_eq!(bad.code, 1);
    let report = &reports(&bad.out)[0];
    let candidates = report["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 2, "{report:#}");
    for candidate in candidates {
        assert!(candidate["place"].as_str().unwrap().contains("@sha256:"), "{candidate}");
        assert!(!candidate["reason"].as_str().unwrap().is_empty());
    }
    stage.verify(&image, &["-o", "yaml"]).fails(1, "json, text or report");
}

#[test]
fn many_images_are_verified_with_one_client() {
    let stage = Stage::with(Options::default());
    let mut list = vec!["# images of the release".to_owned(), String::new()];
    for number in 0..12 {
        let image = stage.image(&format!("v{number}"));
        list.push(format!("{image}  # number {number}"));
        if number != 7 {
            stage.sign(&image, &["--new-bundle-format=false"]).ok();
        }
    }
    list.extend([stage.name("gone"), "no good".to_owned()]);
    stage.write("images", list.join("\n"));
    stage.registry.reset_log();
    let connections = stage.registry.connections();
    let run = |flags: &[&str]| {
        stage.run(&[&["verify", "--key", "k.pub", IGNORE_LOG, "-r", "images"], flags].concat())
    };
    let ran = run(&["--max-workers", "3"]);
    assert_eq!(ran.code, 10, "{ran:#?}");
    let found = reports(&ran.out);
    let outcomes: Vec<&str> = found.iter().map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(found.len(), 14);
    assert_eq!(outcomes.iter().filter(|it| **it == "verified").count(), 11);
    assert_eq!(
        (outcomes[7], outcomes[12], outcomes[13]),
        ("refuted", "undetermined", "undetermined")
    );
    assert_eq!((&found[12]["exitCode"], &found[13]["exitCode"]), (&11.into(), &1.into()));
    assert!(ran.err.contains("Error: 11 of 14 images verified"), "{}", ran.err);
    let used = stage.registry.connections() - connections;
    assert!(used < 13, "{used} connections for 13 names that are images");
    let text = run(&["-o", "text"]);
    assert_eq!(text.out.lines().count(), 14);
    assert!(
        text.out.lines().nth(7).unwrap().ends_with("refuted: no signatures found"),
        "{}",
        text.out
    );
    let good = stage.name("v1");
    let piped = ["verify", "--key", "k.pub", IGNORE_LOG, "--references", "-", &good];
    let piped = stage.run_with_input(&format!("{}\n", stage.name("v0")), &piped).ok();
    assert_eq!(reports(&piped.out).len(), 2);
    stage.write("images", "# none\n");
    run(&[]).fails(1, "images names no image");
}

#[test]
fn a_registry_that_fails_is_undetermined_in_a_report() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &[]).ok();
    stage.registry.fault(Fault::new(Effect::Status { code: 403, retry_after: None }));
    let ran = stage.verify(&image, &["-o", "report"]);
    assert_eq!(ran.code, 1);
    let report = &reports(&ran.out)[0];
    assert_eq!(report["outcome"], "undetermined");
    assert!(report["message"].as_str().unwrap().contains("403"), "{report}");
}
