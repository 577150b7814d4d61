//! The command lines, and the differences that are meant.
//!
//! `HOST` is the registry, `DIGEST` the digest of `shop/web:v1`; `> FILE` keeps standard output for later lines.

use std::{borrow::Cow, path::Path};

/// The program that is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Cosign2,
    Cosign3,
}

impl Peer {
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Cosign2 => "cosign2",
            Self::Cosign3 => "cosign3",
        }
    }
}

/// What the order of the printed lines means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Kept,
    /// The peer's order changes from run to run.
    Any,
    /// The peer prints for people; nothing is compared.
    Ignored,
}

#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) line: Cow<'static, str>,
    pub(super) order: Order,
}

#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) peers: &'static [Peer],
    pub(super) steps: Cow<'static, [Step]>,
}

/// A difference that is meant, and the row of COMPAT.md that says so.
pub(super) struct Explained {
    pub(super) scenario: &'static str,
    /// What stands in the line; `None` for all of the scenario.
    pub(super) line: Option<&'static str>,
    pub(super) peer: Option<Peer>,
    pub(super) why: &'static str,
}

const fn run(line: &'static str) -> Step {
    Step { line: Cow::Borrowed(line), order: Order::Kept }
}

const fn any(line: &'static str) -> Step {
    Step { line: Cow::Borrowed(line), order: Order::Any }
}

const fn unread(line: &'static str) -> Step {
    Step { line: Cow::Borrowed(line), order: Order::Ignored }
}

const BOTH: &[Peer] = &[Peer::Cosign2, Peer::Cosign3];
const THREE: &[Peer] = &[Peer::Cosign3];
const TWO: &[Peer] = &[Peer::Cosign2];

/// Files that every scenario finds.
pub(super) const FILES: &[(&str, &str)] = &[
    ("f", "hello"),
    ("g", "other"),
    ("p.json", "{\"passed\":true}"),
    (
        "slsa.json",
        "{\"builder\":{\"id\":\"https://builder.example\"},\"buildType\":\"t\",\"invocation\":{}}",
    ),
    ("sbom.txt", "SPDXVersion: SPDX-2.3\n"),
    (
        "allow.rego",
        "package signature\nallow { input.predicateType == \"https://example.test/t\" }\n",
    ),
    ("deny.rego", "package signature\nallow = false\n"),
    (
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n    - image: HOST/shop/web:v1\n",
    ),
    ("Dockerfile", "FROM HOST/shop/web:v1 AS one\nFROM scratch\nCOPY --from=one /a /a\n"),
];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "keys",
        peers: BOTH,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run("public-key --key k.key"),
            run("public-key --key none.key"),
            run("public-key --key k.key --outfile out.pub"),
            run("verify --key none.pub --insecure-ignore-tlog HOST/shop/web:v1"),
        ]),
    },
    Scenario {
        name: "sign and verify, bundles",
        peers: THREE,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run("generate-key-pair --output-key-prefix other"),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/web:v1"),
            run(
                "sign --key k.key --use-signing-config=false --tlog-upload=false -y -a team=shop HOST/shop/web@DIGEST",
            ),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/web@DIGEST"),
            run("verify --key k.pub --insecure-ignore-tlog -o text HOST/shop/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog -a team=shop HOST/shop/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog -a team=other HOST/shop/web:v1"),
            run("verify --key other.pub --insecure-ignore-tlog HOST/shop/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/web:none"),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/none:v1"),
            run("verify --key k.pub --insecure-ignore-tlog --check-claims=false HOST/shop/web:v1"),
            run("verify --key k.pub --private-infrastructure HOST/shop/web:v1"),
            any("download signature HOST/shop/web:v1"),
            unread("tree HOST/shop/web:v1"),
        ]),
    },
    Scenario {
        name: "sign and verify, legacy",
        peers: BOTH,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run("generate-key-pair --output-key-prefix other"),
            run(
                "sign --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y HOST/shop/web@DIGEST",
            ),
            run(
                "sign --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y HOST/shop/web@DIGEST",
            ),
            run(
                "sign --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y -a team=shop HOST/shop/web@DIGEST",
            ),
            any("verify --key k.pub --insecure-ignore-tlog HOST/shop/web:v1"),
            any("verify --key k.pub --insecure-ignore-tlog -o text HOST/shop/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog -a team=shop HOST/shop/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog -a team=none HOST/shop/web:v1"),
            run("verify --key other.pub --insecure-ignore-tlog HOST/shop/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/web:v2"),
            any("download signature HOST/shop/web:v1"),
            run("triangulate HOST/shop/web:v1"),
            run("triangulate --type attestation HOST/shop/web:v1"),
            run("triangulate --type digest HOST/shop/web:v1"),
            run("clean -f --type attestation HOST/shop/web:v1"),
            run("clean -f HOST/shop/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/web:v1"),
        ]),
    },
    Scenario {
        name: "attestations, bundles",
        peers: THREE,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run(
                "verify-attestation --key k.pub --insecure-ignore-tlog --type custom HOST/shop/web:v1",
            ),
            run(
                "attest --key k.key --use-signing-config=false --tlog-upload=false -y --predicate slsa.json --type slsaprovenance HOST/shop/web@DIGEST",
            ),
            run(
                "verify-attestation --key k.pub --insecure-ignore-tlog --type slsaprovenance HOST/shop/web:v1",
            ),
            run(
                "verify-attestation --key k.pub --insecure-ignore-tlog --type vuln HOST/shop/web:v1",
            ),
            run(
                "attest --key k.key --use-signing-config=false --tlog-upload=false -y --predicate p.json --type https://example.test/t HOST/shop/web@DIGEST",
            ),
            run(
                "verify-attestation --key k.pub --insecure-ignore-tlog --type https://example.test/t HOST/shop/web:v1",
            ),
            run(
                "verify-attestation --key k.pub --insecure-ignore-tlog --type https://example.test/t --policy allow.rego HOST/shop/web:v1",
            ),
            run(
                "verify-attestation --key k.pub --insecure-ignore-tlog --type https://example.test/t --policy deny.rego HOST/shop/web:v1",
            ),
            any("download attestation HOST/shop/web:v1"),
            any("download attestation --predicate-type https://example.test/t HOST/shop/web:v1"),
            run("download attestation --predicate-type vuln HOST/shop/web:v1"),
        ]),
    },
    Scenario {
        name: "attestations, legacy",
        peers: BOTH,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run(
                "attest --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y --predicate p.json --type https://example.test/t HOST/shop/web@DIGEST",
            ),
            run(
                "verify-attestation --key k.pub --insecure-ignore-tlog --new-bundle-format=false --type https://example.test/t HOST/shop/web:v1",
            ),
            run(
                "verify-attestation --key k.pub --insecure-ignore-tlog --new-bundle-format=false --type vuln HOST/shop/web:v1",
            ),
            run(
                "verify-attestation --key k.pub --insecure-ignore-tlog --new-bundle-format=false --type https://example.test/t --policy allow.rego HOST/shop/web:v1",
            ),
            run(
                "verify-attestation --key k.pub --insecure-ignore-tlog --new-bundle-format=false --type https://example.test/t --policy deny.rego HOST/shop/web:v1",
            ),
            run("download attestation HOST/shop/web:v1"),
            run("download attestation --predicate-type vuln HOST/shop/web:v1"),
            run(
                "attest --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y --replace --predicate p.json --type https://example.test/t HOST/shop/web@DIGEST",
            ),
            run("download attestation HOST/shop/web:v1"),
        ]),
    },
    Scenario {
        name: "files, bundles",
        peers: THREE,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run("generate-key-pair --output-key-prefix other"),
            run("sign-blob --key k.key --use-signing-config=false --tlog-upload=false -y f"),
            run(
                "sign-blob --key k.key --use-signing-config=false --tlog-upload=false -y --bundle b f",
            ),
            run("verify-blob --key k.pub --insecure-ignore-tlog --bundle b f"),
            run("verify-blob --key k.pub --insecure-ignore-tlog --bundle b g"),
            run("verify-blob --key other.pub --insecure-ignore-tlog --bundle b f"),
            run("verify-blob --key k.pub --insecure-ignore-tlog --bundle none f"),
            run(
                "attest-blob --key k.key --use-signing-config=false --tlog-upload=false -y --predicate p.json --type https://example.test/t --bundle ab f",
            ),
            run(
                "verify-blob-attestation --key k.pub --insecure-ignore-tlog --bundle ab --type https://example.test/t f",
            ),
            run(
                "verify-blob-attestation --key k.pub --insecure-ignore-tlog --bundle ab --type vuln f",
            ),
            run(
                "verify-blob-attestation --key k.pub --insecure-ignore-tlog --bundle ab --type https://example.test/t g",
            ),
            run(
                "verify-blob-attestation --key k.pub --insecure-ignore-tlog --bundle ab --type https://example.test/t --check-claims=false",
            ),
            run(
                "verify-blob-attestation --key k.pub --insecure-ignore-tlog --bundle ab --type https://example.test/t --digest 2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 --digestAlg sha256",
            ),
            run(
                "verify-blob-attestation --key other.pub --insecure-ignore-tlog --bundle ab --type https://example.test/t f",
            ),
        ]),
    },
    Scenario {
        name: "files, legacy",
        peers: BOTH,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run(
                "sign-blob --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y f > sig",
            ),
            run(
                "verify-blob --key k.pub --insecure-ignore-tlog --new-bundle-format=false --signature sig f",
            ),
            run(
                "verify-blob --key k.pub --insecure-ignore-tlog --new-bundle-format=false --signature sig g",
            ),
            run(
                "sign-blob --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y --bundle b f",
            ),
            run(
                "verify-blob --key k.pub --insecure-ignore-tlog --new-bundle-format=false --bundle b f",
            ),
            run(
                "attest-blob --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y --predicate p.json --type https://example.test/t f > env",
            ),
            run(
                "verify-blob-attestation --key k.pub --insecure-ignore-tlog --new-bundle-format=false --signature env --type https://example.test/t f",
            ),
            run(
                "verify-blob-attestation --key k.pub --insecure-ignore-tlog --new-bundle-format=false --signature env --type https://example.test/t g",
            ),
        ]),
    },
    Scenario {
        name: "beside an image",
        peers: BOTH,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run("generate HOST/shop/web:v1 > payload"),
            run("generate -a team=shop HOST/shop/web:v1"),
            run(
                "sign-blob --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y payload > sig",
            ),
            run("attach signature --payload payload --signature sig HOST/shop/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/web:v1"),
            run("attach sbom --sbom sbom.txt HOST/shop/web:v1"),
            run("download sbom HOST/shop/web:v1"),
            run("download sbom HOST/shop/web:v2"),
            run(
                "attest-blob --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y --predicate p.json f > env",
            ),
            run("attach attestation --attestation env HOST/shop/web:v1"),
            run("upload blob -f f HOST/shop/file:v1"),
            run("upload wasm -f f HOST/shop/wasm:v1"),
        ]),
    },
    Scenario {
        name: "images on their way",
        peers: BOTH,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run(
                "sign --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y HOST/shop/web@DIGEST",
            ),
            run("copy HOST/shop/web:v1 HOST/other/web:v1"),
            run("copy HOST/shop/web:v1 HOST/other/web:v1"),
            run("copy HOST/shop/web:v2 HOST/other/web:v1"),
            run("copy -f HOST/shop/web:v2 HOST/other/web:v1"),
            run("copy --only sig HOST/shop/web:v1 HOST/third/web:v1"),
            run("save --dir saved HOST/shop/web:v1"),
            run("verify --local-image --key k.pub --insecure-ignore-tlog saved"),
            run("load --dir saved HOST/fourth/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog HOST/fourth/web:v1"),
        ]),
    },
    Scenario {
        name: "images on their way, bundles",
        peers: THREE,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run(
                "sign --key k.key --use-signing-config=false --tlog-upload=false -y HOST/shop/web@DIGEST",
            ),
            run("copy HOST/shop/web:v1 HOST/other/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog HOST/other/web:v1"),
            run("save --dir saved HOST/shop/web:v1"),
            run("verify --local-image --key k.pub --insecure-ignore-tlog saved"),
            run("clean -f --type referrer HOST/shop/web:v1"),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/web:v1"),
        ]),
    },
    Scenario {
        name: "an index",
        peers: BOTH,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run(
                "sign --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y -r HOST/shop/web:index",
            ),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/web:index"),
            run("copy --platform linux/arm64 HOST/shop/web:index HOST/other/web:arm"),
            run("verify --key k.pub --insecure-ignore-tlog HOST/other/web:arm"),
        ]),
    },
    Scenario {
        name: "an index, bundles",
        peers: THREE,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run(
                "sign --key k.key --use-signing-config=false --tlog-upload=false -y -r HOST/shop/web:index",
            ),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/web:index"),
        ]),
    },
    Scenario {
        name: "images that files name",
        peers: BOTH,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run("manifest verify --key k.pub --insecure-ignore-tlog pod.yaml"),
            run(
                "sign --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y HOST/shop/web@DIGEST",
            ),
            run("manifest verify --key k.pub --insecure-ignore-tlog pod.yaml"),
            run("manifest verify --key k.pub --insecure-ignore-tlog f"),
            run("dockerfile verify --key k.pub --insecure-ignore-tlog Dockerfile"),
            run(
                "dockerfile verify --key k.pub --insecure-ignore-tlog --base-image-only Dockerfile",
            ),
        ]),
    },
    Scenario {
        name: "trust material",
        peers: THREE,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run("trusted-root create"),
            run(
                "trusted-root create --rekor url=https://log.test,public-key=k.pub,start-time=2024-01-02T03:04:05Z",
            ),
            run("trusted-root create --rekor url=https://log.test"),
            unread("signing-config create"),
            run(
                "signing-config create --rekor url=https://log.test,api-version=1,start-time=2024-01-02T03:04:05Z,operator=a --rekor-config ANY --tsa url=https://tsa.test,api-version=1,start-time=2024-01-02T03:04:05Z,operator=a --tsa-config EXACT:1",
            ),
            run(
                "signing-config create --rekor url=https://log.test,api-version=1,start-time=2024-01-02T03:04:05Z,operator=a --rekor-config SOME",
            ),
        ]),
    },
    Scenario {
        name: "the environment",
        peers: THREE,
        steps: Cow::Borrowed(&[
            run("env --show-descriptions=false"),
            run("env --show-descriptions=false --show-sensitive-values"),
        ]),
    },
    Scenario {
        name: "wrong lines",
        peers: BOTH,
        steps: Cow::Borrowed(&[
            run("verify"),
            run("verify --bogus x"),
            run(
                "sign --key none.key --use-signing-config=false --tlog-upload=false -y HOST/shop/web:v1",
            ),
            run("verify --key none.pub --insecure-ignore-tlog no:good:name"),
            run("piv-tool"),
            run("pkcs11-tool"),
            run("save HOST/shop/web:v1"),
            run("copy HOST/shop/web:v1"),
        ]),
    },
    Scenario {
        name: "in place of cosign 2",
        peers: TWO,
        steps: Cow::Borrowed(&[
            run("generate-key-pair --output-key-prefix k"),
            run(
                "sign --key k.key --tlog-upload=false --new-bundle-format=false -y HOST/shop/web@DIGEST",
            ),
            run("verify --key k.pub --insecure-ignore-tlog HOST/shop/web:v1"),
            run("verify --key k.pub --private-infrastructure HOST/shop/web:v1"),
        ]),
    },
    Scenario {
        name: "signing with a certificate",
        peers: BOTH,
        steps: Cow::Borrowed(&[
            run("import-key-pair --key leaf.key --output-key-prefix leaf-own"),
            run(
                "sign --key leaf-own.key --certificate leaf.pem --certificate-chain ca.pem --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y HOST/shop/web@DIGEST",
            ),
            run(
                "verify --certificate-identity dev@example.test --certificate-oidc-issuer https://issuer.test --ca-roots ca.pem --insecure-ignore-sct --insecure-ignore-tlog HOST/shop/web:v1",
            ),
            run(
                "attest --key leaf-own.key --certificate leaf.pem --certificate-chain ca.pem --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y --predicate p.json --type https://example.test/t HOST/shop/web@DIGEST",
            ),
            run(
                "verify-attestation --certificate-identity dev@example.test --certificate-oidc-issuer https://issuer.test --ca-roots ca.pem --insecure-ignore-sct --insecure-ignore-tlog --new-bundle-format=false --type https://example.test/t HOST/shop/web:v1",
            ),
            run(
                "sign --key leaf-own.key --certificate ca.pem --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y HOST/shop/web@DIGEST",
            ),
        ]),
    },
    Scenario {
        name: "certificates of one's own",
        peers: BOTH,
        steps: Cow::Borrowed(&[
            run("import-key-pair --key leaf.key --output-key-prefix leaf-own"),
            run("generate HOST/shop/web:v1 > payload"),
            run(
                "sign-blob --key leaf-own.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y payload > sig",
            ),
            run(
                "attach signature --payload payload --signature sig --certificate leaf.pem --certificate-chain ca.pem HOST/shop/web:v1",
            ),
            run(
                "verify --certificate-identity dev@example.test --certificate-oidc-issuer https://issuer.test --ca-roots ca.pem --insecure-ignore-sct --insecure-ignore-tlog HOST/shop/web:v1",
            ),
            run(
                "verify --certificate-identity-regexp example --certificate-oidc-issuer-regexp issuer --ca-roots ca.pem --insecure-ignore-sct --insecure-ignore-tlog HOST/shop/web:v1",
            ),
            run(
                "verify --certificate-identity dev@example.test --certificate-oidc-issuer https://issuer.test --certificate-chain ca.pem --insecure-ignore-sct --insecure-ignore-tlog HOST/shop/web:v1",
            ),
            run(
                "verify --certificate-identity dev@example.test --certificate-oidc-issuer https://issuer.test --certificate-github-workflow-ref refs/heads/main --ca-roots ca.pem --insecure-ignore-sct --insecure-ignore-tlog HOST/shop/web:v1",
            ),
            run(
                "verify --certificate-identity dev@example.test --certificate-oidc-issuer https://issuer.test --certificate-github-workflow-ref other --ca-roots ca.pem --insecure-ignore-sct --insecure-ignore-tlog HOST/shop/web:v1",
            ),
            run(
                "verify --certificate-identity x@example.test --certificate-oidc-issuer https://issuer.test --ca-roots ca.pem --insecure-ignore-sct --insecure-ignore-tlog HOST/shop/web:v1",
            ),
            run(
                "verify --certificate-identity dev@example.test --certificate-oidc-issuer https://other.test --ca-roots ca.pem --insecure-ignore-sct --insecure-ignore-tlog HOST/shop/web:v1",
            ),
            run(
                "verify --certificate-identity dev@example.test --certificate-oidc-issuer https://issuer.test --ca-roots ca.pem --insecure-ignore-tlog HOST/shop/web:v1",
            ),
            run(
                "verify --certificate-identity dev@example.test --insecure-ignore-tlog HOST/shop/web:v1",
            ),
            run("verify --insecure-ignore-tlog HOST/shop/web:v1"),
            any("download signature HOST/shop/web:v1"),
        ]),
    },
];

/// The identity that the bundles of the public conformance suite name, unless they say otherwise.
const SUITE_SUBJECT: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const SUITE_ISSUER: &str = "https://token.actions.githubusercontent.com";
/// How the folder of test data is written in the lines.
pub(super) const SHARED: &str = "SHARED";

/// Each case of the public conformance suite as a line of `verify-blob` or, for an attestation, of its sibling.
pub(super) fn conformance(shared: &Path) -> Option<Scenario> {
    let cases = shared.join("conformance/sigstore/bundle-verify");
    let mut names: Vec<String> = std::fs::read_dir(&cases)
        .ok()?
        .filter_map(|entry| entry.ok().filter(|it| it.path().is_dir()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let steps = names.iter().map(|name| {
        let folder = cases.join(name);
        let there = |file: &str| folder.join(file).exists();
        let text = |file: &str, otherwise: &str| {
            std::fs::read_to_string(folder.join(file))
                .map_or_else(|_| otherwise.to_owned(), |text| text.trim().to_owned())
        };
        let here = format!("{SHARED}/conformance/sigstore/bundle-verify/{name}");
        let who = if there("key.pub") {
            format!("--key {here}/key.pub")
        } else {
            format!(
                "--certificate-identity {} --certificate-oidc-issuer {}",
                text("identity", SUITE_SUBJECT),
                text("issuer", SUITE_ISSUER)
            )
        };
        let root = if there("trusted_root.json") {
            format!("{here}/trusted_root.json")
        } else {
            format!("{SHARED}/reference/trust/trusted_root.json")
        };
        let artifact = if there("artifact") {
            format!("{here}/artifact")
        } else {
            format!("{SHARED}/conformance/sigstore/bundle-verify/a.txt")
        };
        let line = format!(
            "verify-blob --bundle {here}/bundle.sigstore.json {who} --trusted-root {root} {artifact}"
        );
        Step { line: Cow::Owned(line), order: Order::Kept }
    });
    Some(Scenario { name: "the conformance suite", peers: THREE, steps: steps.collect() })
}

pub(super) const EXPLAINED: &[Explained] = &[
    Explained {
        scenario: "attestations, legacy",
        line: None,
        peer: Some(Peer::Cosign3),
        why: "an empty `keyid` in the envelope, as cosign 2 writes it",
    },
    Explained {
        scenario: "files, legacy",
        line: None,
        peer: Some(Peer::Cosign3),
        why: "an empty `keyid` in the envelope, as cosign 2 writes it",
    },
    Explained {
        scenario: "beside an image",
        line: Some("attach attestation --attestation env HOST/shop/web:v1"),
        peer: None,
        why: "the layer says its `predicateType`",
    },
    Explained {
        scenario: "beside an image",
        line: Some(
            "attest-blob --key k.key --use-signing-config=false --tlog-upload=false --new-bundle-format=false -y --predicate p.json f > env",
        ),
        peer: Some(Peer::Cosign3),
        why: "an empty `keyid` in the envelope, as cosign 2 writes it",
    },
    Explained {
        scenario: "images on their way",
        line: None,
        peer: None,
        why: "`copy` leaves no image under the tag of the referrers' index",
    },
    Explained {
        scenario: "images on their way, bundles",
        line: Some("verify --local-image --key k.pub --insecure-ignore-tlog saved"),
        peer: None,
        why: "`verify --local-image` prints the digest that was verified",
    },
    Explained {
        scenario: "images on their way, bundles",
        line: None,
        peer: None,
        why: "`copy` brings bundles along",
    },
    Explained {
        scenario: "an index",
        line: None,
        peer: None,
        why: "`copy` leaves no image under the tag of the referrers' index",
    },
    Explained {
        scenario: "wrong lines",
        line: Some("piv-tool"),
        peer: None,
        why: "a tool that is not there ends with 1",
    },
    Explained {
        scenario: "wrong lines",
        line: Some("pkcs11-tool"),
        peer: None,
        why: "a tool that is not there ends with 1",
    },
    Explained {
        scenario: "certificates of one's own",
        line: Some("--ca-roots ca.pem --insecure-ignore-tlog HOST"),
        peer: None,
        why: "the peer asks its TUF repository for the certificate log's keys, which it cannot reach",
    },
    Explained {
        scenario: "certificates of one's own",
        line: Some("download signature"),
        peer: None,
        why: "certificates are `Raw`, not Go's own structure",
    },
    Explained {
        scenario: "the conformance suite",
        line: Some("happy-path-intoto-in-dsse-v3/"),
        peer: None,
        why: "`verify-blob`: an attestation about a file is no signature",
    },
    Explained {
        scenario: "the conformance suite",
        line: Some("intoto-with-custom-trust-root/"),
        peer: None,
        why: "`verify-blob`: an attestation about a file is no signature",
    },
    Explained {
        scenario: "the conformance suite",
        line: Some("rekor2-dsse-happy-path/"),
        peer: None,
        why: "`verify-blob`: an attestation about a file is no signature",
    },
    Explained {
        scenario: "signing with a certificate",
        line: None,
        peer: Some(Peer::Cosign3),
        why: "the chain and an empty `keyid` are written, as cosign 2 writes them",
    },
];
