//! Functions over regular expressions and wildcards.
use super::go_regex::compile;
use super::{Outcome, STRING, TEXT, text_of};
use regex::Regex;
use sigward_document::{Value, wildcard};
use sigward_jmespath::{Call, FunctionError, Functions, Signature};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

const REPLACE: Signature = Signature::fixed(&[STRING, TEXT, TEXT]);
const MATCH: Signature = Signature::fixed(&[STRING, TEXT]);

/// Patterns kept compiled. Almost all are literals of policies, so that the number is one of policies, not of requests.
const KEPT: usize = 256;

/// Compiled patterns by their text. A hit and a miss give the same answer.
#[derive(Debug, Default)]
struct Patterns(Mutex<BTreeMap<String, Arc<Regex>>>);

impl Patterns {
    fn get(&self, pattern: &str) -> Result<Arc<Regex>, String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(pattern).cloned();
        if let Some(regex) = kept {
            return Ok(regex);
        }
        let regex = Arc::new(compile(pattern)?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(pattern.to_owned(), Arc::clone(&regex));
        Ok(regex)
    }
}

/// The functions and those of this file, which share their compiled patterns.
pub(super) fn register(functions: &Functions) -> Functions {
    let patterns = Arc::new(Patterns::default());
    let (all, literal, matching) = (Arc::clone(&patterns), Arc::clone(&patterns), patterns);
    functions
        .with("pattern_match", MATCH, pattern_match)
        .with("regex_match", MATCH, move |call| regex_match(call, &matching))
        .with("regex_replace_all", REPLACE, move |call| replace(call, &all, false))
        .with("regex_replace_all_literal", REPLACE, move |call| replace(call, &literal, true))
}

/// The argument at an index as text; numbers are printed.
fn text(call: &Call<'_, '_, '_>, index: usize) -> Result<String, FunctionError> {
    text_of(&call.value(index)).ok_or_else(|| {
        FunctionError::prefixed(format!("argument #{} is not of type String or Real", index + 1))
    })
}

/// `pattern_match('a*', 'abc')` → `true`: `*` for any text, `?` for one character.
fn pattern_match(call: &mut Call<'_, '_, '_>) -> Outcome {
    let text = text(call, 1)?;
    let pattern = call.string(0)?;
    call.steps(text.len().saturating_add(pattern.len()))?;
    Ok(Value::bool(wildcard::matches(pattern, &text)))
}

/// `regex_match('^[a-z]+$', 'abc')` → `true`: anywhere in the text, unless anchored.
fn regex_match(call: &mut Call<'_, '_, '_>, patterns: &Patterns) -> Outcome {
    let text = text(call, 1)?;
    call.steps(text.len())?;
    let regex = patterns.get(call.string(0)?).map_err(FunctionError::message)?;
    Ok(Value::bool(regex.is_match(&text)))
}

/// `regex_replace_all('(a)(b)', 'xab', '$2$1')` → `"xba"`; literally, `$` means itself.
fn replace(call: &mut Call<'_, '_, '_>, patterns: &Patterns, literal: bool) -> Outcome {
    let (text, replacement) = (text(call, 1)?, text(call, 2)?);
    let regex = patterns.get(call.string(0)?).map_err(FunctionError::prefixed)?;
    call.steps(text.len())?;
    let mut result = String::new();
    let mut end = 0;
    for captures in regex.captures_iter(&text) {
        let Some(whole) = captures.get(0) else { continue };
        let before = result.len();
        result.push_str(text.get(end..whole.start()).unwrap_or_default());
        if literal {
            result.push_str(&replacement);
        } else {
            captures.expand(&replacement, &mut result);
        }
        end = whole.end();
        call.charge(result.len() - before)?;
    }
    result.push_str(text.get(end..).unwrap_or_default());
    Ok(Value::string(&result))
}
