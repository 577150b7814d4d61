//! `dockerfile verify`: the images that a Dockerfile builds on and copies from.
use crate::cli::cosign::{
    Failure, Output, keys,
    pflag::{self, go_bool},
    verify,
};
use clap::{Args, Subcommand};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// Provides utilities for discovering images in and performing operations on Dockerfiles.
#[derive(Args, Clone, Debug)]
pub(crate) struct Dockerfile {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What is done with them.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Verb {
    Verify(Box<Verify>),
}

/// Verify a signature on the base image specified in the Dockerfile.
#[derive(Args, Clone, Debug)]
pub(crate) struct Verify {
    /// the file
    #[arg(value_name = "DOCKERFILE")]
    pub(crate) dockerfile: Vec<PathBuf>,
    /// only verify the base image (the last FROM image in the Dockerfile)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool, action = clap::ArgAction::Set)]
    pub(crate) base_image_only: bool,
    #[command(flatten)]
    pub(crate) flags: verify::VerifyFlags,
}

/// Verifies every image of the file, as `verify` would.
pub(in crate::cli::cosign) async fn run(
    output: &mut Output,
    it: Dockerfile,
) -> Result<(), Failure> {
    let Verb::Verify(it) = it.verb;
    let path = pflag::exactly_one(&it.dockerfile)?;
    let text = keys::read_file(path)
        .map_err(|why| Failure::new(format!("could not open Dockerfile: {why}")))?;
    let mut found = Finder::default();
    found.read(output, &text).map_err(|Failure { message, code }| Failure {
        message: format!("failed extracting images from Dockerfile: {message}"),
        code,
    })?;
    let images =
        if it.base_image_only { found.bases.pop().into_iter().collect() } else { found.images };
    if images.is_empty() {
        return Err(Failure::new("no images found in Dockerfile"));
    }
    output.say(&format!("Extracted image(s): {}", images.join(", ")));
    verify::run_images(output, &images, &it.flags).await
}

/// Reads instruction by instruction.
#[derive(Debug, Default)]
struct Finder {
    variables: BTreeMap<String, String>,
    stages: BTreeSet<String>,
    /// In the order of the file.
    images: Vec<String>,
    /// Those of `FROM` alone.
    bases: Vec<String>,
}

impl Finder {
    /// COMPAT: cosign 3.1: variables come from `ARG` and `ENV` of the file, then from the environment; `scratch` and
    /// earlier stages are no images. It reads line by line, so that an image behind a continued line, in
    /// `--from=` of another instruction or in lower case is lost; here they count; test: every_image_of_a_dockerfile_is_verified
    fn read(&mut self, output: &Output, text: &str) -> Result<(), Failure> {
        for line in instructions(text) {
            let mut words = line.split_whitespace();
            let instruction = words.next().unwrap_or_default().to_ascii_uppercase();
            let rest = self.expand(words.collect::<Vec<_>>().join(" ").as_str());
            match instruction.as_str() {
                "FROM" => self.from(output, &rest, &line)?,
                "ARG" | "ENV" => self.assign(&rest),
                "COPY" | "ADD" | "RUN" => self.sources(&rest),
                _ => {}
            }
        }
        Ok(())
    }

    fn from(&mut self, output: &Output, rest: &str, line: &str) -> Result<(), Failure> {
        let mut words: Vec<&str> =
            rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
        let mut stage = None;
        if let Some(at) = words.iter().skip(1).position(|word| word.eq_ignore_ascii_case("as")) {
            stage = words.get(at + 2).map(|&name| name.to_owned());
            if stage.is_none() {
                return Err(Failure::new(format!(
                    "expected stage name after \"AS\" in line {line:?}"
                )));
            }
            words.truncate(at + 1);
        }
        let Some(&image) = words.last() else {
            return Err(Failure::new(format!(
                "no image found in line {line:?} (is a build arg missing from the environment?)"
            )));
        };
        if image == "scratch" {
            output.say("- scratch image ignored");
        } else if self.stages.contains(image) {
            output.say(&format!("- stage reference ignored: {image}"));
        } else {
            self.images.push(image.to_owned());
            self.bases.push(image.to_owned());
        }
        self.stages.extend(stage);
        Ok(())
    }

    /// `--from=IMAGE`, and `from=IMAGE` of a mount.
    fn sources(&mut self, rest: &str) {
        for word in rest.split_whitespace().take_while(|word| word.starts_with("--")) {
            let source = match word.split_once('=') {
                Some(("--from", source)) => Some(source),
                Some(("--mount", mount)) => {
                    mount.split(',').find_map(|option| option.strip_prefix("from="))
                }
                _ => None,
            };
            // A number stands for the stage of that position.
            let image = source.filter(|source| {
                !source.is_empty()
                    && !self.stages.contains(*source)
                    && !source.bytes().all(|byte| byte.is_ascii_digit())
            });
            self.images.extend(image.map(str::to_owned));
        }
    }

    fn assign(&mut self, rest: &str) {
        for word in rest.split_whitespace() {
            if let Some((name, value)) = word.split_once('=') {
                let value = value.trim_matches(['"', '\'']);
                self.variables.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// `$NAME`, `${NAME}` and `${NAME:-otherwise}`.
    fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some((inside, behind)) =
                after.strip_prefix('{').and_then(|it| it.split_once('}'))
            {
                let (name, otherwise) = inside.split_once(":-").unwrap_or((inside, ""));
                let value = self.value(name);
                out.push_str(if value.is_empty() { otherwise } else { &value });
                rest = behind;
                continue;
            }
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let (name, behind) =
                after.split_at_checked(end.unwrap_or(after.len())).unwrap_or((after, ""));
            if name.is_empty() {
                out.push('$');
            } else {
                out.push_str(&self.value(name));
            }
            rest = behind;
        }
        out.push_str(rest);
        out
    }

    fn value(&self, name: &str) -> String {
        let own = self.variables.get(name).cloned();
        own.or_else(|| std::env::var(name).ok()).unwrap_or_default()
    }
}

/// Logical lines: comments go, a backslash at the end goes on.
fn instructions(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut current = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') || (line.is_empty() && current.is_empty()) {
            continue;
        }
        let (part, more) = match line.strip_suffix('\\') {
            Some(part) => (part, true),
            None => (line, false),
        };
        current.push_str(part);
        current.push(' ');
        if !more {
            all.push(std::mem::take(&mut current).trim().to_owned());
        }
    }
    if !current.trim().is_empty() {
        all.push(current.trim().to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_goes_on_and_comments_go() {
        let text = "# one\nFROM \\\n  # inside\n  a:1 AS b\n\nRUN x\n";
        assert_eq!(instructions(text), ["FROM  a:1 AS b", "RUN x"]);
    }

    #[test]
    fn variables_are_put_in_as_a_shell_does() {
        let mut finder = Finder::default();
        finder.assign("A=1 B=\"two\"");
        for (text, expected) in [
            ("x:$A", "x:1"),
            ("${B}/y", "two/y"),
            ("${NOT_SET_ANYWHERE:-z}", "z"),
            ("$", "$"),
            ("${open", "${open"),
            ("a$A$B", "a1two"),
        ] {
            assert_eq!(finder.expand(text), expected, "{text}");
        }
    }

    #[test]
    fn sources_of_mounts_and_copies_are_images_unless_they_are_stages() {
        let mut finder = Finder::default();
        finder.stages.insert("build".to_owned());
        finder.sources("--from=build /a /b");
        finder.sources("--from=0 /a /b");
        finder.sources("--from=img:1 /a /b");
        finder.sources("--mount=type=bind,from=tools:2,target=/t make --from=no");
        assert_eq!(finder.images, ["img:1", "tools:2"]);
    }
}
