//! What refers to an image: the referrers API, page by page, and its fallback tag.
//!
//! SPEC: OCI distribution-spec 1.1 "Listing Referrers" and "Unavailable Referrers API".
use super::{
    Registry,
    ask::{Question, Shared, accept, has_code, refused},
    place_in,
};
use crate::{
    error::{FetchError, Malformed, Place, clean},
    flight::Progress,
    observer::Operation,
    wire::exchange::{Answer, same_origin},
};
use bytes::Bytes;
use reqwest::{Method, header::LINK};
use sigward_oci::{
    Access, Descriptor, DigestReference, Index, Manifest, TagReference, media_type, referrers_tag,
    resolve_host,
};
use smol_str::{SmolStr, format_smolstr};
use std::{sync::Arc, time::Instant};

/// What the API said.
pub(super) enum Api {
    /// All pages together.
    Listed(Bytes),
    /// 404. `certain` when nothing hints that the API exists and only the repository does not.
    Missing { certain: bool },
}

impl Registry {
    /// The index of what refers to an image, as JSON; `None` when there is neither an answer of
    /// the API nor a fallback tag. Only a 404 of the API leads to the tag.
    pub async fn referrers(
        &self,
        subject: &DigestReference,
        access: &Access,
    ) -> Result<Option<Bytes>, FetchError> {
        let place = place_in(&subject.repository, &format!("referrers/{}", subject.digest));
        let deadline = self.work_deadline();
        let key = (subject.clone(), access.clone());
        self.joined(&self.inner.referrers, key, place, |progress| {
            let (inner, subject, access) =
                (Arc::clone(&self.inner), subject.clone(), access.clone());
            async move { inner.list_referrers(&subject, &access, deadline, &progress).await }
        })
        .await
    }
}

impl super::Inner {
    async fn list_referrers(
        self: &Shared,
        subject: &DigestReference,
        access: &Access,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Option<Bytes>, FetchError> {
        let host = resolve_host(&subject.repository).host;
        let state = self.exchange.hosts.get(&host);
        let by_tag = self.fallback(subject, access, deadline, progress);
        if state.referrers_missing(Instant::now()) {
            if let Some((_, bytes)) = by_tag.await? {
                return Ok(Some(bytes));
            }
            // In doubt it is asked again: the registry may have learned it since, and then the
            // tag says nothing.
            return Ok(match self.referrers_api(subject, access, deadline, progress).await? {
                Api::Listed(bytes) => {
                    state.remember_referrers_missing(None);
                    Some(bytes)
                }
                Api::Missing { .. } => None,
            });
        }
        match self.referrers_api(subject, access, deadline, progress).await? {
            Api::Listed(bytes) => Ok(Some(bytes)),
            Api::Missing { certain } => {
                if certain {
                    let until = Instant::now() + self.exchange.options.times.referrers_missing;
                    state.remember_referrers_missing(Some(until));
                }
                Ok(by_tag.await?.map(|(_, bytes)| bytes))
            }
        }
    }

    /// The index under the fallback tag. A tag that holds something else is empty: `cosign copy`
    /// 3.1 puts the image itself there.
    pub(super) async fn fallback(
        self: &Shared,
        subject: &DigestReference,
        access: &Access,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Option<(Index, Bytes)>, FetchError> {
        let tag = TagReference {
            repository: subject.repository.clone(),
            tag: referrers_tag(&subject.digest),
        };
        let Some(fetched) = self.get_tag(&tag, access, deadline, progress).await? else {
            return Ok(None);
        };
        let place = || place_in(&tag.repository, &format!("manifests/{}", tag.tag));
        match Manifest::parse(&fetched.bytes, fetched.media_type.as_deref()) {
            Ok(Manifest::Index(index)) => {
                self.check_count(index.manifests.len(), place())?;
                Ok(Some((*index, fetched.bytes)))
            }
            Ok(Manifest::Image(_)) => Ok(None),
            Err(error) => Err(malformed(place(), Malformed::Manifest, &error.to_string())),
        }
    }

    fn check_count(&self, count: usize, place: Place) -> Result<(), FetchError> {
        let limit = self.exchange.options.caps.referrers;
        if count > limit {
            let limit = limit as u64;
            return Err(FetchError::TooLarge { place, what: "referrers", limit });
        }
        Ok(())
    }

    /// The API, page by page.
    pub(super) async fn referrers_api(
        self: &Shared,
        subject: &DigestReference,
        access: &Access,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Api, FetchError> {
        let caps = self.exchange.options.caps;
        let first = format!("referrers/{}", subject.digest);
        let mut question =
            self.question(Method::GET, &subject.repository, &first, Operation::Referrers);
        question.headers = accept(media_type::OCI_INDEX);
        let mut all: Vec<Descriptor> = Vec::new();
        let mut bytes = 0_u64;
        for page in 0..caps.referrer_pages {
            let answer = self.ask(&question, access, deadline, progress).await?;
            let place = answer.place.clone();
            match answer.status.as_u16() {
                200 => {}
                404 if page == 0 => {
                    let certain = !has_code(&answer, "NAME_UNKNOWN")
                        && !has_code(&answer, "MANIFEST_UNKNOWN");
                    return Ok(Api::Missing { certain });
                }
                _ => return Err(refused(&answer)),
            }
            let index = match Manifest::parse(&answer.body, None) {
                Ok(Manifest::Index(index)) => index,
                Ok(Manifest::Image(_)) => {
                    return Err(malformed(place, Malformed::Manifest, "not an index"));
                }
                Err(error) => {
                    return Err(malformed(place, Malformed::Manifest, &error.to_string()));
                }
            };
            bytes = bytes.saturating_add(answer.body.len() as u64);
            if bytes > caps.manifest {
                let limit = caps.manifest;
                return Err(FetchError::TooLarge { place, what: "referrers bytes", limit });
            }
            let next = next_page(&question, &answer)?;
            if page == 0 && next.is_none() {
                self.check_count(index.manifests.len(), place)?;
                return Ok(Api::Listed(answer.body));
            }
            all.extend(index.manifests);
            self.check_count(all.len(), place.clone())?;
            let Some(next) = next else {
                let whole = serde_json::to_vec(&Index::new(all))
                    .map_err(|error| malformed(place, Malformed::Manifest, &error.to_string()))?;
                return Ok(Api::Listed(whole.into()));
            };
            question.rest = next;
        }
        let place = place_in(&subject.repository, &first);
        let limit = caps.referrer_pages.into();
        Err(FetchError::TooLarge { place, what: "pages of referrers", limit })
    }
}

/// The path of the next page, from `Link: <URL>; rel="next"`. It must stay on this registry.
fn next_page(question: &Question, answer: &Answer) -> Result<Option<String>, FetchError> {
    let links = answer.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = links.flat_map(|line| line.split(',')).find_map(next_target) else {
        return Ok(None);
    };
    let wrong = || malformed(answer.place.clone(), Malformed::Link, target);
    let url = answer.url.join(target).map_err(|_| wrong())?;
    let prefix = format!("/v2/{}/", question.location.path);
    if !same_origin(&url, &answer.url) || !url.path().starts_with(&prefix) {
        return Err(wrong());
    }
    let path = url.path();
    let next = url.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    if next == question.rest {
        return Err(wrong());
    }
    Ok(Some(next))
}

fn next_target(link: &str) -> Option<&str> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    let next = parameters.split(';').any(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        name.trim().eq_ignore_ascii_case("rel")
            && value.trim().trim_matches('"').split_whitespace().any(|rel| rel == "next")
    });
    next.then_some(target)
}

fn malformed(place: Place, what: Malformed, said: &str) -> FetchError {
    let said: SmolStr = clean(&format_smolstr!("{said}"));
    FetchError::Malformed { place, what, said: Some(said) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_next_page_are_read_in_their_spellings() {
        assert_eq!(next_target(r#"</v2/a?n=1>; rel="next""#), Some("/v2/a?n=1"));
        assert_eq!(next_target("<https://r/v2/a>;rel=next"), Some("https://r/v2/a"));
        assert_eq!(next_target(r#"</v2/a>; title=x; REL="prev next""#), Some("/v2/a"));
        assert_eq!(next_target(r#"</v2/a>; rel="prev""#), None);
        assert_eq!(next_target("/v2/a; rel=next"), None);
        assert_eq!(next_target(""), None);
    }
}
