//! Rekor, versions 1 and 2: entries made, fetched and searched for.
use super::{JSON, Question, Reply, ServiceError, Services, under};
use crate::Registry;
use sigward_sigstore::{outcome::Cause, tlog::LogEntry};

const REKOR: &str = "Rekor";
const ENTRIES: &str = "api/v1/log/entries";

impl Services {
    /// Makes an entry in a log of version 1, or fetches the one that is there already.
    ///
    /// # Errors
    /// The log cannot be reached, says no, or answers no entry.
    pub async fn log_v1(&self, url: &str, proposed: String) -> Result<LogEntry, ServiceError> {
        let question = Question::post(REKOR, under(url, ENTRIES), JSON, proposed);
        let mut reply = self.ask(question).await?;
        if reply.status == 409 {
            // The same was logged before: an answer was lost, or two sign alike.
            let there = existing(&reply).ok_or_else(|| reply.refused())?;
            reply =
                self.ask(Question::get(REKOR, under(url, &format!("{ENTRIES}/{there}")))).await?;
        }
        let reply = reply.ok()?;
        LogEntry::parse_rekor_v1(&reply.body).map_err(|error| reply.unusable(error))
    }

    /// Makes an entry in a log of version 2.
    ///
    /// # Errors
    /// As [`Self::log_v1`].
    pub async fn log_v2(&self, url: &str, proposed: String) -> Result<LogEntry, ServiceError> {
        let question = Question::post(REKOR, under(url, "api/v2/log/entries"), JSON, proposed);
        let reply = self.ask(question).await?.ok()?;
        LogEntry::parse_rekor_v2(&reply.body).map_err(|error| reply.unusable(error))
    }

    /// Searches a log of version 1: `body` is that of `entries/retrieve`, the answer what the log says. Nothing when
    /// the log knows none.
    ///
    /// # Errors
    /// The log cannot be reached, or says no.
    pub async fn search_log(
        &self,
        url: &str,
        body: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, ServiceError> {
        let question =
            Question::post(REKOR, under(url, &format!("{ENTRIES}/retrieve")), JSON, body);
        let reply = self.ask(question).await?;
        if reply.status == 404 {
            return Ok(None);
        }
        Ok(Some(reply.ok()?.body.into()))
    }
}

impl Registry {
    /// Searches a transparency log for the entries of a signature, as [`Services::search_log`] does; a failure is the
    /// cause of an undetermined outcome.
    ///
    /// # Errors
    /// The log cannot be reached, or says no.
    pub async fn search_log(&self, url: &str, body: Vec<u8>) -> Result<Option<Vec<u8>>, Cause> {
        let services = Services::sharing(&self.inner.exchange);
        services.search_log(url, body).await.map_err(|error| error.cause())
    }
}

/// The identifier of the entry that is there: at the end of `Location`, which is not followed elsewhere.
///
/// SPEC: Rekor 1: 64 hexadecimal digits of the leaf, mostly behind 16 of the tree.
fn existing(reply: &Reply) -> Option<String> {
    let identifier = reply.location()?.trim_end_matches('/').rsplit('/').next()?;
    let known = matches!(identifier.len(), 64 | 80)
        && identifier.bytes().all(|byte| byte.is_ascii_hexdigit());
    known.then(|| identifier.to_owned())
}
