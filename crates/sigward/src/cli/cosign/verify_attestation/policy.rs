//! `--policy`: what a proved statement must say, in Rego or in a YAML file of JMESPath conditions.
use crate::cli::cosign::{Failure, Output, evidence, signing};
use serde::Deserialize;
use sigward_document::{Value, View};
use sigward_jmespath::{Expression, Functions, Offline};
use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

/// What cosign asks a Rego policy.
const QUERY: &str = "data.signature.allow";
/// How long one statement may be judged by Rego.
const MOST_TIME: Duration = Duration::from_secs(20);
/// Most conditions of one file.
const MAX_CONDITIONS: usize = 1000;

/// Every policy of a command line, read and compiled before anything is asked of a registry.
#[derive(Debug)]
pub(super) struct Policies {
    rego: Vec<PathBuf>,
    engine: Option<regorus::Engine>,
    files: Vec<Conditions>,
    functions: Functions,
}

/// One YAML file.
#[derive(Debug)]
struct Conditions {
    path: PathBuf,
    conditions: Vec<(Expression, Option<String>)>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    conditions: Vec<WireCondition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCondition {
    expression: String,
    #[serde(default)]
    message: Option<String>,
}

impl Policies {
    /// Reads the files by their extension.
    ///
    /// COMPAT: cosign 3.1: `.cue` is refused, with what to use in its place; test: policies_in_cue_are_refused_with_the_way_out
    ///
    /// # Errors
    /// A file cannot be read or compiled; the message names it.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let (mut rego, mut files) = (Vec::new(), Vec::new());
        let mut engine = regorus::Engine::new();
        engine.set_rego_v0(true);
        engine.set_execution_timer_config(regorus::utils::limits::ExecutionTimerConfig {
            limit: MOST_TIME,
            check_interval: NonZeroU32::MIN.saturating_add(999),
        });
        for path in paths {
            match path.extension().and_then(|it| it.to_str()).unwrap_or_default() {
                "rego" => {
                    engine
                        .add_policy(path.display().to_string(), text(path)?)
                        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
                    rego.push(path.clone());
                }
                "yaml" | "yml" => files.push(Conditions::read(path)?),
                "cue" => {
                    return Err(Failure::new(format!(
                        "{}: policies in CUE are not evaluated: write it in Rego (.rego), or as JMESPath conditions (.yaml: `conditions: [{{expression: \"predicate.…\", message: …}}]`)",
                        path.display()
                    )));
                }
                _ => {
                    return Err(Failure::new(format!(
                        "invalid policy format, expected .rego or .yaml: {}",
                        path.display()
                    )));
                }
            }
        }
        let engine = (!rego.is_empty()).then_some(engine);
        Ok(Self { rego, engine, files, functions: sigward_policy::functions::registry() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rego.is_empty() && self.files.is_empty()
    }

    /// Every statement has to satisfy every policy.
    ///
    /// COMPAT: cosign 3.1: the errors are listed on standard error, and their number is the error; test: a_policy_in_rego_decides
    ///
    /// # Errors
    /// At least one statement does not satisfy.
    pub(super) fn check(&self, output: &Output, statements: &[Vec<u8>]) -> Result<(), Failure> {
        let mut errors = Vec::new();
        for statement in statements {
            if !self.rego.is_empty() {
                let names: Vec<String> =
                    self.rego.iter().map(|path| path.display().to_string()).collect();
                output.say(&format!(
                    "will be validating against Rego policies: [{}]",
                    names.join(" ")
                ));
            }
            self.judge(statement, &mut errors)?;
        }
        if errors.is_empty() {
            return Ok(());
        }
        output.say(&format!(
            "There are {} number of errors occurred during the validation:\n",
            errors.len()
        ));
        for error in &errors {
            output.say(&format!("- {error}"));
        }
        Err(Failure::new(format!("{} validation errors occurred", errors.len())))
    }

    fn judge(&self, statement: &[u8], errors: &mut Vec<String>) -> Result<(), Failure> {
        let text = std::str::from_utf8(statement)?;
        if let Some(engine) = &self.engine {
            errors.extend(by_rego(engine.clone(), text).err());
        }
        if self.files.is_empty() {
            return Ok(());
        }
        let document = sigward_document::parse_json(statement)
            .map_err(|error| Failure::new(format!("reading statement: {error}")))?;
        for file in &self.files {
            file.judge(&document, &self.functions, errors);
        }
        Ok(())
    }
}

/// Exactly `true` is allowed; undefined is not.
fn by_rego(mut engine: regorus::Engine, statement: &str) -> Result<(), String> {
    engine.set_input_json(statement).map_err(|error| error.to_string())?;
    match engine.eval_rule(QUERY.to_owned()) {
        Ok(regorus::Value::Bool(true)) => Ok(()),
        Ok(regorus::Value::Undefined) => Err(format!("result is undefined for query '{QUERY}'")),
        Ok(other) => Err(format!("expression value, {other}, is not true")),
        Err(error) => Err(format!("{QUERY}: {error}")),
    }
}

impl Conditions {
    fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |why: String| Failure::new(format!("{}: {why}", path.display()));
        let written =
            sigward_document::parse_yaml(&text(path)?).map_err(|error| wrong(error.to_string()))?;
        let wire: Wire = sigward_document::from_value(&written.value)
            .map_err(|error| wrong(error.to_string()))?;
        if wire.conditions.is_empty() || wire.conditions.len() > MAX_CONDITIONS {
            return Err(wrong(format!("conditions: between 1 and {MAX_CONDITIONS} are needed")));
        }
        let compile = |(at, WireCondition { expression, message }): (usize, WireCondition)| {
            Expression::parse(&expression)
                .map(|expression| (expression, message))
                .map_err(|error| wrong(format!("conditions[{at}].expression: {error}")))
        };
        let conditions =
            wire.conditions.into_iter().enumerate().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { path: path.to_path_buf(), conditions })
    }

    /// Each has to be exactly `true`; what cannot be evaluated is not.
    fn judge(&self, statement: &Value, functions: &Functions, errors: &mut Vec<String>) {
        let now = evidence::now().0.saturating_mul(1_000_000_000);
        for (at, (expression, message)) in self.conditions.iter().enumerate() {
            let mut host = Offline { now, seed: 0 };
            let found = expression.evaluate(statement, functions, &mut host);
            let why = match &found {
                Ok(value) if matches!(value.view(), View::Bool(true)) => continue,
                Ok(value) => format!("{} is {value}, not true", expression.text()),
                Err(error) => format!("{}: {error}", expression.text()),
            };
            let place = format!("{}: conditions[{at}]", self.path.display());
            errors.push(match message {
                Some(message) => format!("{place}: {message} ({why})"),
                None => format!("{place}: {why}"),
            });
        }
    }
}

fn text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(signing::read_file(path, "")?)
        .map_err(|_binary| Failure::new(format!("{} is not text", path.display())))
}
