//! `verify -r FILE`: many images with one client, so that they share connections, tokens and answers.
use super::{Format, VerifyFlags, Work, report::Report};
use crate::{
    cli::cosign::{Failure, Output, registry, signing},
    exit_code,
};
use futures_util::{StreamExt as _, stream};
use std::path::Path;

/// Images under way at a time; how many requests one registry sees is `--max-workers`.
const AT_A_TIME: usize = 64;
/// Most images of one file.
const MAX_IMAGES: usize = 100_000;

/// Verifies all of them, reports on each in the order of the file, and fails with the code of the first that failed.
pub(super) async fn run(
    output: &mut Output,
    path: &Path,
    more: &[String],
    flags: &VerifyFlags,
) -> Result<(), Failure> {
    let bytes = signing::read_input(path, "")?;
    let text = String::from_utf8(bytes)
        .map_err(|_binary| Failure::new(format!("{} is not text", path.display())))?;
    let mut images = references(&text);
    images.extend(more.iter().map(String::as_str));
    if images.is_empty() {
        return Err(Failure::new(format!("{} names no image", path.display())));
    }
    if images.len() > MAX_IMAGES {
        return Err(Failure::new(format!("{} images: no more than {MAX_IMAGES}", images.len())));
    }
    let work = Work::new(output, flags)?;
    let format = work.format()?;
    // A name that is none is that image's affair; a login is for the hosts of the others.
    let named: Vec<_> = images.iter().filter_map(|image| registry::parse(image).ok()).collect();
    let workers = Some(work.requested.workers);
    let client = registry::client_with(output, &flags.registry, &named, workers)?;
    let mut reports = stream::iter(images.iter().map(|image| Report::of(&work, &client, image)))
        .buffered(AT_A_TIME);
    let (mut verified, mut code) = (0_usize, exit_code::SUCCESS);
    while let Some(report) = reports.next().await {
        if report.code() == exit_code::SUCCESS {
            verified += 1;
        } else if code == exit_code::SUCCESS {
            code = report.code();
        }
        match format {
            Format::Text => output.line(&report.line())?,
            Format::Json | Format::Report => output.line(&report.json().to_string())?,
        }
    }
    let message = format!("{verified} of {} images verified", images.len());
    if code == exit_code::SUCCESS {
        output.say(&message);
        return Ok(());
    }
    Err(Failure { message, code })
}

/// One name a line; empty lines and what stands behind `#` are nobody's name.
fn references(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(name, _)| name).trim());
    lines.filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::references;

    #[test]
    fn comments_and_empty_lines_are_no_images() {
        assert_eq!(references("a:1 # why\n\n# b\n  c@sha256:d\r\n"), ["a:1", "c@sha256:d"]);
    }
}
