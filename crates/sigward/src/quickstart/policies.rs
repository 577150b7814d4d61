//! The policies of the story: those of the articles, with this registry and these keys.

/// One policy, as a user would keep it in a file.
#[derive(Debug)]
pub(crate) struct PolicyFile {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

/// Indents a PEM for a block scalar.
fn indented(pem: &str, by: usize) -> String {
    let pad = " ".repeat(by);
    pem.trim_end().lines().map(|line| format!("{pad}{line}")).collect::<Vec<_>>().join("\n")
}

fn cluster_policy(name: &str, rules: &str) -> String {
    format!(
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata:\n  name: {name}\nspec:\n  \
         validationFailureAction: Enforce\n  background: false\n  webhookTimeoutSeconds: 30\n  \
         failurePolicy: Fail\n  rules:\n{rules}"
    )
}

const MATCH_PODS: &str = "      match:\n        any:\n          - resources:\n              kinds:\n                - Pod\n";

fn keyed(rule: &str, pattern: &str, secret: &str) -> String {
    format!(
        "    - name: {rule}\n{MATCH_PODS}      verifyImages:\n        - imageReferences:\n            - \"{pattern}\"\n          \
         attestors:\n            - count: 1\n              entries:\n                - keys:\n                    \
         secret:\n                      name: {secret}\n                      namespace: kyverno\n"
    )
}

fn attested(
    rule: &str,
    pattern: &str,
    predicate_type: &str,
    conditions: &[(&str, &str, &str)],
) -> String {
    let mut text = format!(
        "    - name: {rule}\n{MATCH_PODS}      verifyImages:\n        - imageReferences:\n            - \"{pattern}\"\n          \
         attestations:\n            - predicateType: {predicate_type}\n              attestors:\n                - count: 1\n                  \
         entries:\n                    - keys:\n                        secret:\n                          name: cosign-pub-key\n                          \
         namespace: kyverno\n              conditions:\n                - all:\n"
    );
    for (key, operator, value) in conditions {
        text.push_str("                    - key: \"");
        text.push_str(key);
        text.push_str("\"\n                      operator: ");
        text.push_str(operator);
        text.push_str("\n                      value: ");
        text.push_str(value);
        text.push('\n');
    }
    text
}

fn in_environment(rule: &str, environment: &str, entry: &str) -> String {
    format!(
        "    - name: {rule}\n{MATCH_PODS}              namespaceSelector:\n                matchLabels:\n                  \
         environment: {environment}\n      verifyImages:\n        - imageReferences:\n{entry}"
    )
}

/// The builder that the provenance must name.
pub(crate) const BUILDER: &str = "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v1.4.0";
/// The source that the provenance must name.
pub(crate) const SOURCE: &str = "git+https://github.com/company/app@refs/heads/main";

/// How the names of GitHub's workflows begin.
pub(crate) const ISSUER_WORKFLOWS: &str = "https://github.com/";

/// Images that workflows of one organisation signed with their identity.
pub(crate) fn keyless(registry: &str, issuer: &str, rekor: &str) -> PolicyFile {
    let rule = format!(
        "    - name: keyless-verification\n{MATCH_PODS}      verifyImages:\n        - imageReferences:\n            - \"{registry}/ci/*\"\n          \
         attestors:\n            - count: 1\n              entries:\n                - keyless:\n                    \
         subject: \"{ISSUER_WORKFLOWS}acme/*\"\n                    issuer: \"{issuer}\"\n                    \
         rekor:\n                      url: {rekor}\n"
    );
    PolicyFile { name: "verify-keyless", text: cluster_policy("verify-keyless", &rule) }
}

/// All policies of the story.
pub(crate) fn all(registry: &str, key_pem: &str) -> Vec<PolicyFile> {
    let scan = [
        ("{{ scanner.vendor }}", "Equals", "\"Trivy\""),
        ("{{ metadata.scanFinishedOn }}", "NotEquals", "\"\""),
        (
            "{{ length(scanner.result.vulnerabilities[?severity=='CRITICAL']) }}",
            "LessThanOrEquals",
            "0",
        ),
    ];
    let builder = format!("\"{BUILDER}\"");
    let source = format!("\"{SOURCE}\"");
    let provenance = [
        ("{{ builder.id }}", "Equals", builder.as_str()),
        ("{{ invocation.configSource.uri }}", "Equals", source.as_str()),
    ];
    vec![
        PolicyFile {
            name: "check-image",
            text: format!(
                "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata:\n  name: check-image\nspec:\n  \
                 validationFailureAction: enforce\n  background: false\n  rules:\n    - name: check-image\n      match:\n        \
                 resources:\n          kinds:\n            - Pod\n      verifyImages:\n      - image: \"{registry}/shop/web:*\"\n        \
                 key: |-\n{}\n",
                indented(key_pem, 10)
            ),
        },
        PolicyFile {
            name: "verify-all-registries",
            text: cluster_policy(
                "verify-all-registries",
                &format!(
                    "{}{}    - name: allow-public-images\n{MATCH_PODS}      verifyImages:\n        - imageReferences:\n            \
                     - \"{registry}/public/*\"\n          required: false\n",
                    keyed(
                        "verify-company-images",
                        &format!("{registry}/company/*"),
                        "cosign-pub-key"
                    ),
                    keyed(
                        "verify-vendor-images",
                        &format!("{registry}/vendor/*"),
                        "vendor-cosign-key"
                    ),
                ),
            ),
        },
        PolicyFile {
            name: "verify-attestations",
            text: cluster_policy(
                "verify-attestations",
                &attested(
                    "verify-provenance",
                    &format!("{registry}/built/*"),
                    "https://slsa.dev/provenance/v0.2",
                    &provenance,
                ),
            ),
        },
        PolicyFile {
            name: "verify-scan-results",
            text: cluster_policy(
                "verify-scan-results",
                &attested(
                    "check-vulnerabilities",
                    &format!("{registry}/scanned/*"),
                    "https://cosign.sigstore.dev/attestation/vuln/v1",
                    &scan,
                ),
            ),
        },
        PolicyFile {
            name: "conditional-verification",
            text: cluster_policy(
                "conditional-verification",
                &format!(
                    "{}{}",
                    in_environment(
                        "require-signatures-production",
                        "production",
                        &format!(
                            "            - \"{registry}/apps/*\"\n          attestors:\n            - count: 1\n              entries:\n                \
                             - keys:\n                    secret:\n                      name: cosign-pub-key\n                      namespace: kyverno\n"
                        ),
                    ),
                    in_environment(
                        "allow-unsigned-dev",
                        "development",
                        &format!(
                            "            - \"{registry}/apps/*\"\n          required: false\n"
                        ),
                    ),
                ),
            ),
        },
    ]
}

/// The Secrets and Namespaces that the policies look at.
pub(crate) fn objects(key_pem: &str, vendor_pem: &str) -> String {
    let secret = |name: &str, pem: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {name}\n  namespace: kyverno\ntype: Opaque\nstringData:\n  cosign.pub: |\n{}\n",
            indented(pem, 4)
        )
    };
    let namespace = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    environment: {name}\n    kubernetes.io/metadata.name: {name}\n"
        )
    };
    [
        secret("cosign-pub-key", key_pem),
        secret("vendor-cosign-key", vendor_pem),
        namespace("production"),
        namespace("development"),
    ]
    .join("---\n")
}
