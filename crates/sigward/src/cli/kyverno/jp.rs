//! `jp`: the expression language at hand.
mod functions;

use super::language;
use crate::cli::cosign::Failure;
use clap::{Args, Subcommand};
use sigward_document::{Value, parse_yaml};
use sigward_jmespath::Expression;
use std::{
    io::{IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// The most bytes of an expression or of its input.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Evaluate and explain expressions of policies.
#[derive(Args, Clone, Debug)]
pub(crate) struct Jp {
    #[command(subcommand)]
    command: Jps,
}

#[derive(Clone, Debug, Subcommand)]
enum Jps {
    Query(Query),
    Parse(Parse),
    Function(Function),
}

/// Evaluate expressions over a document.
#[derive(Args, Clone, Debug)]
struct Query {
    /// expressions; from standard input when there are none
    expressions: Vec<String>,
    /// the document, JSON or YAML; standard input when it is not given
    #[arg(short, long)]
    input: Option<PathBuf>,
    /// files of expressions
    #[arg(short = 'q', long = "query", value_delimiter = ',')]
    queries: Vec<PathBuf>,
    /// JSON on one line
    #[arg(short, long)]
    compact: bool,
    /// texts without quotes
    #[arg(short, long)]
    unquoted: bool,
}

/// Print the tree of expressions.
#[derive(Args, Clone, Debug)]
struct Parse {
    /// expressions; from standard input when there are none
    expressions: Vec<String>,
    /// files of expressions
    #[arg(short, long, value_delimiter = ',')]
    file: Vec<PathBuf>,
}

/// Print functions with their arguments.
#[derive(Args, Clone, Debug)]
struct Function {
    /// all of them when none is named
    names: Vec<String>,
}

impl Jp {
    /// # Errors
    /// An expression that cannot be parsed or evaluated, a function that does not exist, files that cannot be read.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Jps::Query(query) => query.run(),
            Jps::Parse(parse) => parse.run(),
            Jps::Function(function) => function.run(),
        }
    }
}

fn print(text: &str) -> Result<(), Failure> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

impl Query {
    fn run(&self) -> Result<(), Failure> {
        let mut expressions = from_files(&self.queries)?;
        expressions.extend(self.expressions.iter().cloned());
        if expressions.is_empty() && self.input.is_none() {
            return Err(Failure::new("at least one query or input object is required"));
        }
        if expressions.is_empty() {
            expressions.push(from_standard_input("expression")?);
        }
        let text = match &self.input {
            Some(path) => from_file(path)?,
            None => from_standard_input("input object")?,
        };
        let document = parse_yaml(&text)
            .map_err(|error| Failure::new(format!("error parsing input: {error}")))?
            .value;
        let functions = language::functions();
        for expression in expressions {
            let found = language::search(&expression, &document, &functions)
                .map_err(|error| failed(&expression, &error))?;
            print(&format!("# {expression}\n{}\n", self.shown(&found)))?;
        }
        Ok(())
    }

    fn shown(&self, value: &Value) -> String {
        match value.as_str() {
            Some(text) if self.unquoted => text.to_owned(),
            _ if self.compact => value.to_json(),
            _ => value.to_json_pretty("  "),
        }
    }
}

fn failed(expression: &str, error: &str) -> Failure {
    match Expression::parse(expression) {
        Ok(_) => Failure::new(format!("error evaluating JMESPath expression: {error}")),
        Err(syntax) => Failure::new(format!(
            "failed to compile JMESPath: {expression}, error: {error}\n{}",
            syntax.caret()
        )),
    }
}

impl Parse {
    fn run(&self) -> Result<(), Failure> {
        let mut expressions = from_files(&self.file)?;
        expressions.extend(self.expressions.iter().cloned());
        if expressions.is_empty() {
            expressions.push(from_standard_input("expression")?);
        }
        for text in expressions {
            let expression = Expression::parse(&text)
                .map_err(|error| Failure::new(format!("{error}\n{}", error.caret())))?;
            print(&format!("# {text}\n{}\n", expression.tree()))?;
        }
        Ok(())
    }
}

impl Function {
    fn run(&self) -> Result<(), Failure> {
        let unknown = |name: &&String| functions::find(name).is_none();
        if let Some(name) = self.names.iter().find(unknown) {
            let known = functions::names();
            let nearest = sigward_policy::compile::nearest_name(name, known);
            let hint = nearest.map(|name| format!(" (did you mean `{name}`?)"));
            return Err(Failure::new(format!(
                "there is no function `{name}`{}",
                hint.unwrap_or_default()
            )));
        }
        let mut names: Vec<&str> = if self.names.is_empty() {
            functions::names().collect()
        } else {
            self.names.iter().map(String::as_str).collect()
        };
        names.sort_unstable();
        for function in names.into_iter().filter_map(functions::find) {
            print(&function.to_string())?;
        }
        Ok(())
    }
}

fn from_file(path: &Path) -> Result<String, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("failed to read {}: {error}", path.display()));
    let mut text = String::new();
    std::fs::File::open(path)
        .map_err(failed)?
        .take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

fn from_files(paths: &[PathBuf]) -> Result<Vec<String>, Failure> {
    paths.iter().map(|path| from_file(path).map(|text| text.trim().to_owned())).collect()
}

fn from_standard_input(what: &str) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        let _closed = writeln!(
            std::io::stderr(),
            "Reading from terminal input.\nEnter {what} and hit Ctrl+D."
        );
    }
    let mut text = String::new();
    std::io::stdin().take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}
