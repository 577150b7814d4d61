//! The keyless columns of the interop matrix: who signs × where × format × statement × who verifies.

use anyhow::{Result, bail};

use super::super::Case;
use super::super::registry::{self, Image};
use super::super::scratch::Scratch;
use super::super::tools::{Format, Statement, Tool};
use super::super::world::{World, shelved};
use super::instances::Place;
use super::keyless::{self, How, Identity};

/// The type of every attestation of the matrix.
const PREDICATE_TYPE: &str = "slsaprovenance";
const PREDICATE: &str =
    r#"{"builder":{"id":"https://builder.example"},"buildType":"t","invocation":{}}"#;

/// The tools that sign with an identity.
pub(super) const SIGNERS: [Tool; 3] = [Tool::Cosign2, Tool::Cosign3, Tool::Sigward];

/// One row: what was signed, how.
#[derive(Debug, Clone, Copy)]
struct Row {
    how: How,
    statement: Statement,
}

/// What a cell comes to, and the words of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Verified,
    Refused(&'static str),
}

/// Whether a tool reads the Rekor v2 entry that cosign 2 makes for an envelope: cosign 3 takes bundles with it for none.
pub(super) fn reads(verifier: Tool, how: How) -> bool {
    verifier != Tool::Cosign3 || (how.signer, how.place) != (Tool::Cosign2, Place::DoublesV2)
}

/// The table as observed with cosign 2.6.5 and 3.1.3.
fn expected(row: Row, verifier: Tool) -> Expected {
    let How { signer, place, format } = row.how;
    match (signer, format, row.statement) {
        (Tool::Cosign2, Format::Bundle, Statement::Signature) if !reads(verifier, row.how) => {
            Expected::Refused("no signatures found")
        }
        (Tool::Cosign2, Format::Bundle, Statement::Attestation) if !reads(verifier, row.how) => {
            Expected::Refused("no matching attestations")
        }
        // cosign 3 asks the authority about the payload and stores the answer as one about the envelope.
        (Tool::Cosign3, Format::Legacy, Statement::Attestation) if place == Place::Real => {
            Expected::Refused(match verifier {
                Tool::Sigward => "timestamp is of another message",
                Tool::Cosign2 | Tool::Cosign3 => "hashed messages don't match",
            })
        }
        // Told a signing configuration, cosign 2 says of an attestation in the annotation beside it that it is a signature, and
        // we believe the annotation.
        (Tool::Cosign2, Format::Bundle, Statement::Attestation) if verifier == Tool::Sigward => {
            Expected::Refused("found: https://sigstore.dev/cosign/sign/v1")
        }
        _ => Expected::Verified,
    }
}

impl Row {
    fn name(self) -> String {
        format!("{}_{}", self.how.name(), self.statement.name())
    }
}

/// Whether the tool can log an envelope at that place: cosign 2 asks Rekor v2 for an entry that it no longer takes.
pub(super) fn logs_envelopes(how: How) -> bool {
    (how.signer, how.place, how.format) != (Tool::Cosign2, Place::Real, Format::Bundle)
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for signer in SIGNERS {
        for place in Place::ALL {
            for format in Format::ALL {
                // The older format knows no Rekor v2 at all.
                if (place, format) == (Place::DoublesV2, Format::Legacy) {
                    continue;
                }
                let how = How { signer, place, format };
                if !logs_envelopes(how) {
                    continue;
                }
                rows.extend(Statement::ALL.map(|statement| Row { how, statement }));
            }
        }
    }
    rows
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> =
        rows().into_iter().flat_map(|row| Tool::ALL.map(|verifier| cell(row, verifier))).collect();
    cases.push(Case::new(
        "sigstore_cosign2_cannot_log_an_envelope_in_rekor_2",
        "the hole in the matrix is the peer's: its entries of type dsse are refused by the real log",
        |world, scratch| {
            let how = How { signer: Tool::Cosign2, place: Place::Real, format: Format::Bundle };
            let row = Row { how, statement: Statement::Signature };
            match sign(world, scratch, row) {
                Ok(_) => bail!("it can: the matrix has a row too few"),
                Err(error) if format!("{error:#}").contains("must be hashedrekord") => Ok(()),
                Err(error) => Err(error),
            }
        },
    ));
    cases
}

fn cell(row: Row, verifier: Tool) -> Case {
    let name = row.name();
    let outcome = match expected(row, verifier) {
        Expected::Verified => "verifies by its identity, and by no other,".to_owned(),
        Expected::Refused(words) => format!("refuses ({words})"),
    };
    Case::new(
        format!("sigstore_{name}_by_{}", verifier.name()),
        format!("{} {outcome} what was signed: {name}", verifier.name()),
        move |world, scratch| {
            let image =
                shelved(&world.signed_by_identity, &row.name(), || make(world, scratch, row))?;
            let sigstore = world.sigstore()?;
            let issuer = sigstore.issuer();
            let (verb, kind): (_, &[&str]) = match row.statement {
                Statement::Signature => ("verify", &[]),
                Statement::Attestation => ("verify-attestation", &["--type", PREDICATE_TYPE]),
            };
            let ask = |identity: Identity<'_>| {
                let place = row.how.place;
                let mut command =
                    keyless::command(world, scratch, sigstore, verifier, place, verb)?;
                keyless::verify_at(&mut command, sigstore, verifier, row.how, identity);
                scratch.run(command.args(kind).arg(image.by_digest()))
            };
            let right = keyless::signer(&issuer);
            match expected(row, verifier) {
                Expected::Verified => drop(ask(right)?.succeeded()?),
                Expected::Refused(words) => return ask(right)?.refused(&[words]).map(drop),
            }
            for wrong in keyless::others(&issuer) {
                ask(wrong)?.refused(&[])?;
            }
            Ok(())
        },
    )
}

/// Signs a fresh image; in a folder that outlives the cell which came first.
fn make(world: &World, first: &Scratch, row: Row) -> Result<Image> {
    let scratch = Scratch::new(world.folder().join("sigstore-matrix").join(row.name()))?;
    let made = sign(world, &scratch, row);
    first.note(&scratch.transcript());
    made
}

fn sign(world: &World, scratch: &Scratch, row: Row) -> Result<Image> {
    let repository = format!("keyless/{}", row.name().replace('_', "-"));
    let image = registry::push(&world.testkit()?.host(), &repository, "v1", None)?;
    let file = scratch.write("predicate.json", PREDICATE)?;
    let predicate =
        (row.statement == Statement::Attestation).then_some((PREDICATE_TYPE, file.as_path()));
    keyless::sign_image(world, scratch, world.sigstore()?, row.how, predicate, &image.by_digest())?;
    Ok(image)
}
