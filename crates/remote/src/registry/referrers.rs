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
    wire::exchange::{Answer, authority, path_and_query},
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

/// The path of the next page, from `Link: <URL>; rel="next"`. It must stay on this registry. A
/// header that cannot be read is an error: a list must not end early without anybody noticing.
fn next_page(question: &Question, answer: &Answer) -> Result<Option<String>, FetchError> {
    let wrong = |said: &str| malformed(answer.place.clone(), Malformed::Link, said);
    for value in answer.headers.get_all(LINK) {
        let line = value.to_str().map_err(|_| wrong("not text"))?;
        let Some(target) = next_target(line).map_err(|()| wrong(line))? else { continue };
        let url = answer.url.join(target).map_err(|_| wrong(target))?;
        let prefix = format!("/v2/{}/", question.location.path);
        // Behind a proxy that ends TLS, registries write `http:`; the scheme is ours to choose.
        if authority(&url) != authority(&answer.url) || !url.path().starts_with(&prefix) {
            return Err(wrong(target));
        }
        let next = path_and_query(&url);
        return if next == question.rest { Err(wrong(target)) } else { Ok(Some(next)) };
    }
    Ok(None)
}

/// The target of the first link whose relation is `next`.
///
/// SPEC: RFC 8288 section 3: `<URI>` and parameters, links separated by commas; both may hold
/// commas themselves, in the URI and in quotes.
fn next_target(line: &str) -> Result<Option<&str>, ()> {
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (target, after) = rest.strip_prefix('<').and_then(|r| r.split_once('>')).ok_or(())?;
        let mut quoted = false;
        let end = after.find(|character| {
            quoted ^= character == '"';
            character == ',' && !quoted
        });
        let (parameters, next) =
            end.and_then(|end| after.split_at_checked(end)).unwrap_or((after, ""));
        let is_next = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value.split_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Ok(Some(target));
        }
        rest = next.trim_start_matches(',').trim();
    }
    Ok(None)
}

fn malformed(place: Place, what: Malformed, said: &str) -> FetchError {
    let said: SmolStr = clean(&format_smolstr!("{said}"));
    FetchError::Malformed { place, what, said: Some(said) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<Option<&str>, ()>) {
        assert_eq!(next_target(line), expected, "{line}");
    }

    #[test]
    fn links_to_the_next_page_are_read_in_their_spellings() {
        check(r#"</v2/a?n=1>; rel="next""#, Ok(Some("/v2/a?n=1")));
        check("<https://r/v2/a>;rel=next", Ok(Some("https://r/v2/a")));
        check(r#"</v2/a>; title="x, y"; REL="prev Next""#, Ok(Some("/v2/a")));
        check(r#"</v2/a?last=x,y>; rel="next""#, Ok(Some("/v2/a?last=x,y")));
        check(r#"</p>; rel="prev", </v2/a>; rel="next""#, Ok(Some("/v2/a")));
        check(r#"</v2/a>; rel="prev""#, Ok(None));
        check("", Ok(None));
    }

    #[test]
    fn a_link_that_cannot_be_read_is_an_error_and_not_the_end() {
        check("/v2/a; rel=next", Err(()));
        check("</v2/a; rel=next", Err(()));
        check("nonsense", Err(()));
    }
}
