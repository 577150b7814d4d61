//! What holds for every command: flags in all their spellings, their environment twins, and wrong command lines.
use crate::stage::{IGNORE_LOG, NO_LOG, Stage, finish};

#[test]
fn prints_each_error_twice() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let failed = stage.run(&["verify", "--key", "k.pub", IGNORE_LOG, &image]);
    assert!(
        failed.err.ends_with(
            "Error: no signatures found\nerror during command execution: no signatures found\n"
        ),
        "{}",
        failed.err
    );
    assert_eq!((failed.code, failed.out.as_str()), (10, ""));
}

#[test]
fn words_of_a_wrong_command_line_are_the_peer_s() {
    let stage = Stage::new();
    let check = |line: &[&str], words: &str| {
        let expected = format!("Error: {words}\nerror during command execution: {words}\n");
        let ran = stage.run(line);
        assert_eq!(
            (ran.code, ran.err.as_str(), ran.out.as_str()),
            (1, expected.as_str(), ""),
            "{line:?}"
        );
    };
    let none = "requires at least 1 arg(s), only received 0";
    check(&["sign"], none);
    check(&["verify"], none);
    check(&["attest"], none);
    check(&["verify-attestation"], none);
    check(&["sign-blob"], none);
    for one in ["tree", "login", "completion"] {
        check(&[one], "accepts 1 arg(s), received 0");
        check(&[one, "a", "b"], "accepts 1 arg(s), received 2");
    }
    check(&["verify", "--bogus", "x"], "unknown flag: --bogus");
    check(&["verify", "-z", "x"], "unknown shorthand flag: 'z' in -z");
    check(&["bogus"], "unknown command \"bogus\" for \"cosign\"");
    check(&["verify", "--key"], "flag needs an argument: --key");
    check(
        &["verify", "--check-claims=maybe", "--key", "k.pub", "x"],
        "invalid argument \"maybe\" for \"--check-claims\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
    );
    check(
        &["sign", "-r=maybe", "x"],
        "invalid argument \"maybe\" for \"-r, --recursive\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
    );
    check(&["completion", "foo"], "invalid argument \"foo\" for \"cosign completion\"");
    stage
        .run(&["--timeout", "foo", "version"])
        .fails(1, "invalid argument \"foo\" for \"-t, --timeout\" flag: ");
    stage
        .run(&["verify", "--key", "k.pub", IGNORE_LOG, "no good"])
        .fails(1, "parsing reference: could not parse reference: no good");
}

#[test]
fn the_bare_name_prints_help() {
    let stage = Stage::new();
    let help = stage.run(&[]).ok();
    for command in ["sign", "verify", "attest", "verify-attestation", "sign-blob", "verify-blob"] {
        assert!(help.out.contains(&format!("  {command} ")), "{}", help.out);
    }
    assert!(stage.run(&["verify", "--help"]).ok().out.contains("--certificate-identity"));
    // What the peer hides is hidden.
    assert!(!stage.run(&["sign", "-h"]).ok().out.contains("--new-bundle-format"));
}

#[test]
fn one_dash_will_do_with_a_warning() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let signed = stage.run(&["sign", "-key", "k.key", NO_LOG, &image]).ok();
    assert!(
        signed.err.starts_with("WARNING: the -key flag is deprecated and will be removed in a future release. Please use the --key flag instead.\n"),
        "{}",
        signed.err
    );
    let verified = stage.run(&["verify", "-key=k.pub", IGNORE_LOG, "--o", "text", &image]).ok();
    assert!(verified.out.starts_with("{\"critical\""), "{}", verified.out);
    assert_eq!(stage.run(&["-version"]).ok().out, stage.run(&["version"]).ok().out);
}

#[test]
fn old_names_of_certificate_flags_are_known() {
    let stage = Stage::new();
    for (old, new) in [
        ("--cert", "--certificate"),
        ("--cert-chain", "--certificate-chain"),
        ("--cert-identity", "--certificate-identity"),
        ("--cert-oidc-issuer", "--certificate-oidc-issuer"),
    ] {
        // Each is known: the line fails for what it means, and not for a flag that does not exist.
        let ran = |flag: &str| {
            stage.run(&["verify", flag, "x", "--key", "k.pub", IGNORE_LOG, "image"]).err
        };
        assert_eq!(ran(old), ran(new), "{old}");
        assert!(!ran(old).contains("unknown flag"), "{old}");
    }
    stage
        .run(&["sign", "--output-cert", "x", "image"])
        .fails(1, "Error: signing needs a transparency log");
}

#[test]
fn each_flag_has_a_twin_in_the_environment() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let signing = [
        ("COSIGN_KEY", "k.key"),
        ("COSIGN_TLOG_UPLOAD", "false"),
        ("COSIGN_YES", "true"),
        ("COSIGN_ANNOTATIONS", "a=b,c=d"),
    ];
    stage.run_with(&signing, &["sign", &image]).ok();
    let verifying =
        [("COSIGN_KEY", "k.pub"), ("COSIGN_INSECURE_IGNORE_TLOG", "1"), ("COSIGN_OUTPUT", "text")];
    let verified = stage.run_with(&verifying, &["verify", "-a", "c=d", &image]).ok();
    assert!(verified.out.starts_with("{\"critical\""), "{}", verified.out);
    // What is typed wins.
    let verified = stage.run_with(&verifying, &["verify", "-o", "json", &image]).ok();
    assert!(verified.out.starts_with("\n["), "{}", verified.out);
    stage
        .run_with(&[("COSIGN_KEY", "none")], &["verify", "--key", "k.pub", IGNORE_LOG, &image])
        .ok();
    // A flag that is refused is refused from there, too.
    stage
        .run_with(&[("COSIGN_CERTIFICATE_IDENTITY", "a@b.test")], &["verify", &image])
        .fails(1, "--certificate-oidc-issuer or --certificate-oidc-issuer-regexp is required");
    stage
        .run_with(&[("COSIGN_CHECK_CLAIMS", "maybe")], &["verify", &image])
        .fails(1, "strconv.ParseBool: parsing \"maybe\": invalid syntax");
}

#[test]
fn the_output_can_go_to_a_file() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &[]).ok();
    let expected = stage.verify(&image, &[]).ok().out;
    let redirected = stage.verify(&image, &["--output-file", "o"]).ok();
    assert_eq!((redirected.out.as_str(), stage.read("o")), ("", expected));
    stage.run(&["--output-file", "v", "version"]).ok();
    assert!(stage.read("v").contains("GitVersion"));
    assert_eq!(stage.run(&["--output-file", "no/such/folder/o", "version"]).code, 1);
}

#[test]
fn requests_are_shown_when_asked() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &[]).ok();
    for flag in ["-d", "--verbose"] {
        let shown = stage.verify(&image, &[flag]).ok();
        let line = format!("{} resolve: 200 in ", stage.registry.host());
        assert!(shown.err.contains(&line), "{}", shown.err);
    }
    assert!(!stage.verify(&image, &["--verbose=false"]).ok().err.contains("resolve: "));
}

#[test]
fn a_timeout_of_nothing_is_none() {
    let stage = Stage::new();
    let image = stage.image("v1");
    stage.sign(&image, &["--timeout", "0"]).ok();
    stage.verify(&image, &["-t", "1m30s"]).ok();
    stage.verify(&image, &["-t", "1ns"]).fails(1, "context deadline exceeded");
}

#[test]
fn deprecated_flags_are_said_to_be_so() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let said = stage.sign(&image, &["--new-bundle-format=false"]).ok();
    for flag in ["--tlog-upload", "--new-bundle-format"] {
        assert!(said.err.contains(&format!("Flag {flag} has been deprecated, ")), "{}", said.err);
    }
    let quiet = [("COSIGN_KEY", "k.key"), ("COSIGN_TLOG_UPLOAD", "false")];
    let said = stage.run_with(&quiet, &["sign", &image]).ok();
    assert!(!said.err.contains("has been deprecated"), "{}", said.err);
    let said = stage.run(&["triangulate", &image]).ok();
    assert!(said.err.contains("Command \"triangulate\" is deprecated, "), "{}", said.err);
}

#[test]
fn the_same_commands_hang_at_the_top_of_sigward() {
    let stage = Stage::new();
    let image = stage.image("v1");
    let run = |line: &[&str]| finish(stage.command_as("sigward", line));
    run(&["sign", "--key", "k.key", NO_LOG, &image]).ok();
    let verified = run(&["verify", "--key", "k.pub", IGNORE_LOG, &image]).ok();
    assert_eq!(verified.array().len(), 1);
    run(&["verify", "--key", "k.pub", IGNORE_LOG, &stage.image("v2")])
        .fails(10, "no signatures found");
    run(&["verify", "--certificate-identity", "x", &image])
        .fails(1, "--certificate-oidc-issuer or --certificate-oidc-issuer-regexp is required");
}

#[test]
fn versions_and_completions_are_printed() {
    let stage = Stage::new();
    let version = stage.run(&["version"]).ok();
    assert!(version.out.contains("GitVersion:    v"), "{}", version.out);
    let json = stage.run(&["version", "--json"]).ok();
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert!(json["gitVersion"].as_str().unwrap().starts_with('v'));
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = stage.run(&["completion", shell]).ok().out;
        assert!(script.contains("verify-attestation") && script.contains("cosign"), "{shell}");
        let ours = finish(stage.command_as("sigward", &["completion", shell])).ok().out;
        assert!(ours.contains("sigward"), "{shell}");
    }
}

#[test]
fn the_environment_is_listed_without_its_secrets() {
    let stage = Stage::new();
    let set = [("COSIGN_PASSWORD", "hush"), ("COSIGN_REPOSITORY", "r.test/x")];
    let run = |flags: &[&str]| stage.run_with(&set, &[&["env"], flags].concat()).ok().out;
    let plain = run(&["--show-descriptions=false"]);
    assert!(plain.contains("COSIGN_PASSWORD=******\n"), "{plain}");
    assert!(plain.contains("COSIGN_REPOSITORY=r.test/x\n") && !plain.contains("hush"), "{plain}");
    assert!(!plain.contains('#'), "{plain}");
    let names: Vec<&str> = plain.lines().map(|line| line.split_once('=').unwrap().0).collect();
    assert!(names.is_sorted() && names.len() == 29, "{names:?}");
    assert!(run(&[]).contains("# COSIGN_PASSWORD the password"));
    assert!(run(&["--show-sensitive-values"]).contains("COSIGN_PASSWORD=hush\n"));
}

#[test]
fn hardware_tools_say_that_they_are_not_there() {
    let stage = Stage::new();
    for tool in ["piv-tool", "pkcs11-tool"] {
        for line in [&[tool][..], &[tool, "list-keys"]] {
            stage.run(line).fails(1, &format!("This cosign was not built with {tool} support!"));
        }
    }
}
