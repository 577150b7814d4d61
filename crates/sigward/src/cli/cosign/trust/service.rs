//! Services as flags spell them: `key=value` pairs, parted by commas.
use super::super::{Failure, keys};
use sigward_sigstore::{keys::PublicKey, requirement::Timestamp, trust::Validity};
use std::{collections::BTreeMap, path::Path};

/// One service of a command line.
pub(super) struct Spec<'a> {
    /// For messages: `fulcio`, `rekor`, …
    kind: &'static str,
    pairs: BTreeMap<&'a str, &'a str>,
}

impl<'a> Spec<'a> {
    /// Reads the pairs.
    ///
    /// COMPAT: cosign 3.1: a key that means nothing is passed over; here it is refused; test: a_trusted_root_is_put_together_from_flags
    pub(super) fn parse(
        kind: &'static str,
        text: &'a str,
        required: &[&str],
        optional: &[&str],
    ) -> Result<Self, Failure> {
        let mut pairs = BTreeMap::new();
        for pair in text.split(',') {
            let Some((name, value)) = pair.split_once('=') else {
                return Err(Failure::new(format!(
                    "parsing {kind} spec: invalid key-value pair: {pair}"
                )));
            };
            let name = name.trim();
            if !required.contains(&name) && !optional.contains(&name) {
                return Err(Failure::new(format!(
                    "parsing {kind} spec: unknown key '{name}': {} are known",
                    [required, optional].concat().join(", ")
                )));
            }
            pairs.insert(name, value.trim());
        }
        let spec = Self { kind, pairs };
        match required.iter().find(|name| spec.get(name).is_none()) {
            Some(name) => Err(Failure::new(format!(
                "parsing {kind} spec: missing or empty required key '{name}' in {kind} spec"
            ))),
            None => Ok(spec),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.pairs.get(name).copied().filter(|value| !value.is_empty())
    }

    /// An empty text when there is none.
    pub(super) fn text(&self, name: &str) -> &'a str {
        self.get(name).unwrap_or_default()
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, Failure> {
        let read = |text| {
            Timestamp::parse_rfc3339(text)
                .ok_or_else(|| self.wrong(name, &format!("{text:?} is not RFC 3339")))
        };
        self.get(name).map(read).transpose()
    }

    /// `start-time` and `end-time`.
    pub(super) fn validity(&self) -> Result<Validity, Failure> {
        Ok(Validity { start: self.time("start-time")?, end: self.time("end-time")? })
    }

    /// The PEM behind a path.
    pub(super) fn pem(&self, name: &str) -> Result<String, Failure> {
        keys::read_file(Path::new(self.text(name))).map_err(|why| self.wrong(name, &why))
    }

    /// `public-key`.
    pub(super) fn public_key(&self) -> Result<PublicKey, Failure> {
        let pem = self.pem("public-key")?;
        PublicKey::parse_pem(&pem).map_err(|error| self.wrong("public-key", &error.to_string()))
    }

    pub(super) fn wrong(&self, name: &str, why: &str) -> Failure {
        Failure::new(format!("parsing {} spec: parsing {name}: {why}", self.kind))
    }
}
