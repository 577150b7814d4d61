//! Annotations of GitHub's workflows: a line on standard output that its runner shows beside the file.
use std::path::Path;

/// One annotation. `kind` is `error` or `warning`.
pub(crate) fn annotation(kind: &str, file: &Path, line: u32, title: &str, message: &str) -> String {
    format!(
        "::{kind} file={},line={},title={}::{}\n",
        property(&file.display().to_string()),
        line.max(1),
        property(title),
        data(message)
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_runner_would_read_as_its_own_is_escaped() {
        let text = annotation("error", Path::new("a,b.yaml"), 0, "p:r", "50%\nmore");
        assert_eq!(text, "::error file=a%2Cb.yaml,line=1,title=p%3Ar::50%25%0Amore\n");
    }
}
