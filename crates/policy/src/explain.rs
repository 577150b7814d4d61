//! What a person needs beside the peer's message: which image, what it stood for, what was looked at, what to do next.
use crate::decision::{Decision, ImageOutcome, ImageStatus, RuleOutcome};

/// Longest line: the API server cuts admission warnings at 256 characters.
const LONGEST_LINE: usize = 250;
/// Most lines: the API server drops warnings above 4 KiB in all.
const MOST_LINES: usize = 14;

impl Decision {
    /// Lines about the images that block a denied request; empty when it is admitted.
    ///
    /// They travel as admission warnings, so that the denial body stays the peer's to the letter.
    pub fn explanation(&self) -> Vec<String> {
        if self.allowed {
            return Vec::new();
        }
        let mut lines: Vec<String> = Vec::new();
        for RuleOutcome { images, .. } in self.rules.iter().filter(|rule| rule.blocks) {
            for image in images {
                for line in explain(image) {
                    if !lines.contains(&line) && lines.len() < MOST_LINES {
                        lines.push(line);
                    }
                }
            }
        }
        lines
    }
}

fn explain(image: &ImageOutcome) -> Vec<String> {
    let ImageOutcome {
        image: name,
        pointer: _,
        digest,
        status,
        pinned: _,
        attestor: _,
        looked_at,
        next,
    } = image;
    let outcome = match status {
        ImageStatus::Verified | ImageStatus::NotVerified => return Vec::new(),
        ImageStatus::Refuted => "refuted".to_owned(),
        ImageStatus::Undetermined(cause) => format!("undetermined ({})", cause.kind),
    };
    let stands_for = digest.as_ref().map(|digest| format!(" → {digest}")).unwrap_or_default();
    let mut lines = vec![format!("image {name}{stands_for}: {outcome}")];
    lines.extend(looked_at.iter().map(|place| format!("looked at {place}")));
    lines.extend(next.iter().map(|command| format!("next: {command}")));
    lines.into_iter().map(shortened).collect()
}

fn shortened(line: String) -> String {
    if line.chars().count() <= LONGEST_LINE {
        return line;
    }
    line.chars().take(LONGEST_LINE - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_oci::Digest;

    fn image(status: ImageStatus) -> ImageOutcome {
        ImageOutcome {
            image: "r.io/a:v1".into(),
            pointer: "/spec/containers/0/image".into(),
            digest: Some(Digest::sha256(&[0xab; 32])),
            status,
            pinned: false,
            attestor: ".attestors[0].entries[0].keys".into(),
            looked_at: vec!["r.io/a:sha256-x.sig: absent".into()],
            next: Some("cosign sign r.io/a".into()),
        }
    }

    #[test]
    fn a_refused_image_is_explained_with_its_digest_and_the_next_command() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(
            explain(&image(ImageStatus::Refuted)),
            [
                format!("image r.io/a:v1 → {digest}: refuted"),
                "looked at r.io/a:sha256-x.sig: absent".to_owned(),
                "next: cosign sign r.io/a".to_owned(),
            ]
        );
    }

    #[test]
    fn an_image_that_could_not_be_told_says_so_with_the_cause_and_never_refuted() {
        let cause = crate::fact::Cause {
            kind: crate::fact::CauseKind::Denied,
            place: "r.io".into(),
            said: None,
        };
        let lines = explain(&image(ImageStatus::Undetermined(cause)));
        assert!(lines[0].ends_with(": undetermined (denied)"), "{lines:?}");
    }

    #[test]
    fn a_verified_image_needs_no_explanation() {
        assert!(explain(&image(ImageStatus::Verified)).is_empty());
    }

    #[test]
    fn lines_fit_into_an_admission_warning() {
        assert_eq!(shortened("é".repeat(400)).chars().count(), LONGEST_LINE);
    }
}
