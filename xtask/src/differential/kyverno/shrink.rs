//! Inputs made small: one policy, one resource, one rule, and no field that the difference does not need.
use anyhow::Result;
use sigward_document::Value;

use super::{
    case::{Case, name_of},
    compare::Finding,
    place::{self, Step},
};

/// How many smaller inputs are tried.
const TRIES: usize = 14;

/// The smallest of the inputs tried on which `differs` holds.
///
/// # Errors
/// What `differs` gives.
pub(super) fn shrink(
    case: &Case,
    finding: &Finding,
    mut differs: impl FnMut(&Case) -> Result<bool>,
) -> Result<Case> {
    let mut smallest = case.clone();
    let mut tries = 0;
    let mut attempt = |candidate: Case, smallest: &mut Case| -> Result<bool> {
        if tries >= TRIES {
            return Ok(false);
        }
        tries += 1;
        let holds = differs(&candidate)?;
        if holds {
            *smallest = candidate;
        }
        Ok(holds)
    };
    if let Some(about) = &finding.about {
        let policies: Vec<Value> = case
            .policies
            .iter()
            .filter(|policy| name_of(policy) == about.policy)
            .cloned()
            .collect();
        let is_named =
            |resource: &&Value| about.resource.ends_with(&format!("/{}", name_of(resource)));
        let resources: Vec<Value> = case.resources.iter().filter(is_named).cloned().collect();
        attempt(Case { policies, resources, ..case.clone() }, &mut smallest)?;
    }
    for part in [Part::Policies, Part::Resources] {
        let mut at = 0;
        while part.of(&smallest).len() > 1 && at < part.of(&smallest).len() {
            let mut fewer = smallest.clone();
            part.of_mut(&mut fewer).remove(at);
            if !attempt(fewer, &mut smallest)? {
                at += 1;
            }
        }
    }
    for part in [Part::Policies, Part::Resources] {
        for at in 0..part.of(&smallest).len() {
            drop_fields(part, at, &mut smallest, &mut attempt)?;
        }
    }
    Ok(smallest)
}

/// Which documents.
#[derive(Clone, Copy)]
enum Part {
    Policies,
    Resources,
}

impl Part {
    const fn of(self, case: &Case) -> &Vec<Value> {
        match self {
            Self::Policies => &case.policies,
            Self::Resources => &case.resources,
        }
    }

    const fn of_mut(self, case: &mut Case) -> &mut Vec<Value> {
        match self {
            Self::Policies => &mut case.policies,
            Self::Resources => &mut case.resources,
        }
    }
}

/// Takes fields away, the large ones first, as long as the difference stays.
fn drop_fields(
    part: Part,
    at: usize,
    smallest: &mut Case,
    attempt: &mut impl FnMut(Case, &mut Case) -> Result<bool>,
) -> Result<()> {
    let mut next = 0;
    loop {
        let Some(document) = part.of(smallest).get(at) else { return Ok(()) };
        let places = place::all(document);
        let droppable = |place: &[Step]| match place {
            [Step::Key(key)] => !["apiVersion", "kind", "metadata", "spec"].contains(&key.as_str()),
            [.., Step::Key(key)] => !["name", "rules", "match"].contains(&key.as_str()),
            _ => true,
        };
        let Some((number, chosen)) =
            places.iter().enumerate().skip(next).find(|(_, place)| droppable(place))
        else {
            return Ok(());
        };
        let mut fewer = smallest.clone();
        if let Some(document) = part.of_mut(&mut fewer).get_mut(at) {
            *document = place::with(document, chosen, None);
        }
        next = if attempt(fewer, smallest)? { number } else { number + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigward_document::parse_json;

    #[test]
    fn only_what_the_difference_needs_is_left() {
        let of = |text: &str| parse_json(text.as_bytes()).unwrap();
        let case = Case {
            policies: vec![of(
                r#"{"kind":"P","metadata":{"name":"a"},"spec":{"x":1,"y":{"z":2}}}"#,
            )],
            resources: vec![
                of(r#"{"kind":"Pod","metadata":{"name":"a","labels":{"bad":"1","good":"2"}}}"#),
                of(r#"{"kind":"Pod","metadata":{"name":"b"}}"#),
            ],
            ..Case::default()
        };
        let finding =
            Finding { kind: "verdict", about: None, there: String::new(), here: String::new() };
        let differs = |case: &Case| {
            Ok(case.resources.iter().any(|it| it.str_at(&["metadata", "labels", "bad"]).is_some()))
        };
        let smallest = shrink(&case, &finding, differs).unwrap();
        assert_eq!(smallest.policies, [of(r#"{"kind":"P","metadata":{"name":"a"},"spec":{}}"#)]);
        assert_eq!(
            smallest.resources,
            [of(r#"{"kind":"Pod","metadata":{"name":"a","labels":{"bad":"1"}}}"#)]
        );
    }
}
