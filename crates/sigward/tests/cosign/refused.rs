//! Flags of parts that this build does not have: refused by name, by each command that knows them, before anything is done.
use crate::{
    flag_table::{ABSENT, FLAGS, REFUSED},
    stage::{IGNORE_LOG, NO_LOG, Stage},
};

/// Those that take no value.
const SWITCHES: &[&str] = &["allow-certificate-chain", "experimental-oci11", "k8s-keychain", "sk"];

/// A line for each command that would succeed without the flag.
fn line(command: &str, image: &str) -> Vec<String> {
    let line: &[&str] = match command {
        "sign" => &["sign", "--key", "k.key", NO_LOG, image],
        "attest" => &["attest", "--key", "k.key", NO_LOG, "--predicate", "f", image],
        "sign-blob" => &["sign-blob", "--key", "k.key", NO_LOG, "--bundle", "new", "f"],
        "verify" => &["verify", "--key", "k.pub", IGNORE_LOG, image],
        "verify-attestation" => &["verify-attestation", "--key", "k.pub", IGNORE_LOG, image],
        "verify-blob" => &["verify-blob", "--key", "k.pub", IGNORE_LOG, "--bundle", "b", "f"],
        "attest-blob" => {
            &["attest-blob", "--key", "k.key", NO_LOG, "--predicate", "p", "--bundle", "new", "f"]
        }
        "verify-blob-attestation" => {
            &["verify-blob-attestation", "--key", "k.pub", IGNORE_LOG, "--bundle", "ab", "f"]
        }
        "bundle/create" => &["bundle", "create", "--ignore-tlog"],
        "tree" => &["tree", image],
        "copy" => &["copy", "-f", image, image],
        "clean" => &["clean", "-f", "--type", "sbom", image],
        "generate" => &["generate", image],
        "save" => &["save", "--dir", "saved", image],
        "triangulate" => &["triangulate", image],
        "public-key" => &["public-key", "--key", "k.key"],
        "generate-key-pair" => &["generate-key-pair", "--output-key-prefix", "fresh"],
        other => panic!("no line for {other}"),
    };
    line.iter().map(|&word| word.to_owned()).collect()
}

fn commands_of(given: &'static str, flag: &str) -> Vec<&'static str> {
    match (given, flag) {
        ("*", "k8s-keychain") => {
            vec![
                "sign",
                "attest",
                "verify",
                "verify-attestation",
                "tree",
                "triangulate",
                "copy",
                "clean",
                "generate",
                "save",
            ]
        }
        ("*", "sk" | "slot") => vec![
            "sign",
            "attest",
            "sign-blob",
            "verify",
            "verify-attestation",
            "verify-blob",
            "attest-blob",
            "verify-blob-attestation",
            "public-key",
        ],
        ("*", other) => panic!("which commands have {other}?"),
        _ => given.split(' ').collect(),
    }
}

#[test]
fn a_flag_of_a_missing_part_is_refused_by_name() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.write("f", "hello");
    stage.sign(&image, &[]).ok();
    stage.attest(&image, &[]).ok();
    stage.write("p", "{}");
    stage.run(&["sign-blob", "--key", "k.key", NO_LOG, "--bundle", "b", "f"]).ok();
    let attest =
        ["attest-blob", "--key", "k.key", NO_LOG, "--bundle", "ab", "--predicate", "p", "f"];
    stage.run(&attest).ok();
    stage.registry.reset_log();
    let mut refused = 0;
    for (commands, flag, _) in FLAGS.iter().filter(|(_, _, test)| *test == REFUSED) {
        for command in commands_of(commands, flag) {
            let mut words = line(command, &image);
            words.insert(
                command.split('/').count(),
                if SWITCHES.contains(flag) { format!("--{flag}") } else { format!("--{flag}=x") },
            );
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let message = format!("Error: --{flag} needs ");
            stage.run(&words).fails(1, &message).fails(1, "which is not available in this build");
            refused += 1;
        }
    }
    assert!(refused > 30, "{refused}");
    assert_eq!(stage.registry.request_count(), 0);
    assert!(!stage.has("new") && !stage.has("fresh.key"));
    // The lines succeed without the flag.
    for command in [
        "sign",
        "attest",
        "sign-blob",
        "verify",
        "verify-attestation",
        "verify-blob",
        "attest-blob",
        "verify-blob-attestation",
        "tree",
        "triangulate",
        "public-key",
        "copy",
        "clean",
        "generate",
        "save",
    ] {
        let words = line(command, &image);
        stage.run(&words.iter().map(String::as_str).collect::<Vec<_>>()).ok();
    }
}

#[test]
fn what_is_absent_is_unknown_by_name() {
    let stage = Stage::new();
    for (command, flag, _) in ABSENT {
        let mut words: Vec<&str> = command.split('/').collect();
        if *flag == "*" {
            let unknown = words.last().copied().unwrap_or_default();
            let whole = words.len() > 1 && words[0] == "bundle";
            let name = if whole { unknown } else { words[0] };
            stage.run(&words).fails(1, &format!("unknown command {name:?}"));
        } else {
            let flag = format!("--{flag}");
            words.extend([flag.as_str(), "x"]);
            stage.run(&words).fails(1, &format!("unknown flag: {flag}"));
        }
    }
}
