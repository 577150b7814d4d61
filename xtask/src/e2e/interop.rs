//! The interop matrix: who signs × who verifies × key × format × statement × registry.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Case;
use super::registry::{self, Image};
use super::scratch::{Ran, Scratch};
use super::tools::{self, Algorithm, Format, Keys, Signing, Statement, Tool, Verifying};
use super::world::{World, shelved};

/// The type of every attestation of the matrix.
const PREDICATE_TYPE: &str = "slsaprovenance";
const PREDICATE: &str =
    r#"{"builder":{"id":"https://builder.example"},"buildType":"t","invocation":{}}"#;

/// An image that was signed once and is verified by everyone.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    image: Image,
    keys: Keys,
}

/// Where the image lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    /// The testkit's registry, with the referrers API.
    Testkit,
    /// Debian's docker-registry, without it: bundles go behind the fallback tag.
    Docker,
}

/// One row of the matrix: what was signed, how.
#[derive(Debug, Clone, Copy)]
struct Row {
    signer: Tool,
    algorithm: Algorithm,
    format: Format,
    statement: Statement,
    home: Home,
}

/// What a cell comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Verified,
    /// Refused with this exit code and these words.
    Refused(i32, &'static str),
}

impl Row {
    fn name(self) -> String {
        let home = match self.home {
            Home::Testkit => "testkit",
            Home::Docker => "docker",
        };
        let Self { signer, algorithm, format, statement, .. } = self;
        format!(
            "{}_{}_{}_{}_{home}",
            signer.name(),
            algorithm.name(),
            format.name(),
            statement.name()
        )
    }
}

/// The table as observed with cosign 2.6.5 and 3.1.3; our own rows and columns are what we promise.
fn expected(row: Row, verifier: Tool) -> Expected {
    // Cosign signs with the key's own hash (SHA-384 for P-384, Ed25519ph) and its verifiers assume SHA-256 and pure Ed25519:
    // by their defaults they do not verify what they signed. We accept each sound combination, and sign Ed25519 so that all
    // verify. With P-384 we sign as they do, and they verify ours when told the digest.
    let all_verify = row.signer == Tool::Sigward && row.algorithm != Algorithm::P384;
    if all_verify || verifier == Tool::Sigward {
        return Expected::Verified;
    }
    match (row.algorithm, row.format, row.statement) {
        (Algorithm::P256 | Algorithm::Rsa, _, _) => Expected::Verified,
        (Algorithm::P384, Format::Legacy, Statement::Signature) => {
            Expected::Refused(12, "invalid signature when validating ASN.1 encoded signature")
        }
        (Algorithm::Ed25519, Format::Legacy, Statement::Signature) => {
            Expected::Refused(12, "no matching signatures: failed to verify signature")
        }
        (Algorithm::P384 | Algorithm::Ed25519, _, _) => {
            Expected::Refused(1, "accepted signatures do not match threshold, Found: 0, Expected 1")
        }
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for signer in Tool::ALL {
        for algorithm in Algorithm::ALL {
            for format in Format::ALL {
                for statement in Statement::ALL {
                    for home in [Home::Testkit, Home::Docker] {
                        let row = Row { signer, algorithm, format, statement, home };
                        cases.extend(Tool::ALL.map(|verifier| cell(row, verifier)));
                        if algorithm == Algorithm::P384 && home == Home::Docker {
                            cases.extend(
                                [Tool::Cosign2, Tool::Cosign3].map(|verifier| told(row, verifier)),
                            );
                        }
                    }
                }
            }
        }
    }
    cases
}

fn cell(row: Row, verifier: Tool) -> Case {
    let expected = expected(row, verifier);
    let outcome = match expected {
        Expected::Verified => "verifies".to_owned(),
        Expected::Refused(code, words) => format!("refuses ({code}: {words})"),
    };
    Case::new(
        format!("interop_{}_by_{}", row.name(), verifier.name()),
        format!("{} {outcome} what {} made: {}", verifier.name(), row.signer.name(), row.name()),
        move |world, scratch| {
            let signed = shelved(&world.signed, &row.name(), || make(world, scratch, row))?;
            let ran = verify(world, scratch, row, verifier, &signed)?;
            match expected {
                Expected::Verified => drop(ran.succeeded()?),
                Expected::Refused(code, words) => {
                    let ran = ran.refused(&[words])?;
                    if ran.code != code {
                        bail!("the exit code should be {code}:\n{ran}");
                    }
                }
            }
            Ok(())
        },
    )
}

/// The same cell with the way out of cosign's default: the hash that goes with the key is named.
fn told(row: Row, verifier: Tool) -> Case {
    Case::new(
        format!("interop_{}_by_{}_told_the_digest", row.name(), verifier.name()),
        format!("{} verifies {} when told SHA-384", verifier.name(), row.name()),
        move |world, scratch| {
            let signed = shelved(&world.signed, &row.name(), || make(world, scratch, row))?;
            let image = signed.image.by_digest();
            let mut command =
                tools::verification(world, scratch, &job(row, verifier, &signed, &image))?;
            command.arg("--signature-digest-algorithm=sha384");
            scratch.run(&mut command)?.succeeded()?;
            Ok(())
        },
    )
}

/// Signs a fresh image; in a folder that outlives the cell which came first.
fn make(world: &World, first: &Scratch, row: Row) -> Result<Signed> {
    // Whoever lacks the command says so before anything is made.
    let verb = match row.statement {
        Statement::Signature => "sign",
        Statement::Attestation => "attest",
    };
    row.signer.program(world, &[verb])?;
    let scratch = Scratch::new(world.folder().join("interop").join(row.name()))?;
    let made = sign(world, &scratch, row);
    first.note(&scratch.transcript());
    made
}

fn sign(world: &World, scratch: &Scratch, row: Row) -> Result<Signed> {
    let host = match row.home {
        Home::Testkit => world.testkit()?.host(),
        Home::Docker => world.docker()?.host().to_owned(),
    };
    let image =
        registry::push(&host, &format!("interop/{}", row.name().replace('_', "-")), "v1", None)?;
    let keys = tools::make_keys(world, scratch, row.signer, row.algorithm, "k")?;
    let predicate = scratch.write("predicate.json", PREDICATE)?;
    let job = Signing {
        tool: row.signer,
        key: &keys.private,
        format: row.format,
        statement: row.statement,
        predicate: (row.statement == Statement::Attestation)
            .then_some((PREDICATE_TYPE, Path::new(&predicate))),
        image: &image.by_digest(),
    };
    tools::sign(world, scratch, &job)?.succeeded().context("signing")?;
    Ok(Signed { image, keys })
}

fn verify(
    world: &World,
    scratch: &Scratch,
    row: Row,
    verifier: Tool,
    signed: &Signed,
) -> Result<Ran> {
    tools::verify(world, scratch, &job(row, verifier, signed, &signed.image.by_digest()))
}

fn job<'a>(row: Row, verifier: Tool, signed: &'a Signed, image: &'a str) -> Verifying<'a> {
    Verifying {
        tool: verifier,
        key: &signed.keys.public,
        format: row.format,
        attestation: (row.statement == Statement::Attestation).then_some(PREDICATE_TYPE),
        image,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cell_has_a_name_of_its_own() {
        let names: BTreeSet<String> = cases().into_iter().map(|case| case.name).collect();
        // The matrix, and the way out of cosign's default for each row of P-384 on docker-registry.
        assert_eq!(names.len(), 3 * 3 * 4 * 2 * 2 * 2 + 3 * 2 * 2 * 2);
    }

    #[test]
    fn we_verify_everything_and_are_verified_unless_cosign_fails_on_its_own() {
        for algorithm in Algorithm::ALL {
            for format in Format::ALL {
                for statement in Statement::ALL {
                    let row =
                        |signer| Row { signer, algorithm, format, statement, home: Home::Docker };
                    for other in Tool::ALL {
                        assert_eq!(expected(row(other), Tool::Sigward), Expected::Verified);
                        let ours = expected(row(Tool::Sigward), other);
                        let own = expected(row(Tool::Cosign3), other);
                        let as_good = ours == Expected::Verified
                            || (algorithm == Algorithm::P384 && ours == own);
                        assert!(as_good, "{other:?} and our {algorithm:?}");
                    }
                }
            }
        }
    }
}
