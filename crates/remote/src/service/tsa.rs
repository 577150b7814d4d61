//! RFC 3161 timestamp authorities.
use super::{Question, ServiceError, Services};
use reqwest::header::{ACCEPT, HeaderValue};
use sigward_sigstore::timestamp::{self, MAX_TIMESTAMP};

impl Services {
    /// Has an authority put a time to a message, and checks that the answer is one to this request. Whose word it is,
    /// is for the verifier.
    ///
    /// # Errors
    /// The authority cannot be reached, says no, or answers something else.
    pub async fn timestamp(&self, url: &str, message: &[u8]) -> Result<Vec<u8>, ServiceError> {
        let mut nonce = [0; 8];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| ServiceError::Randomness)?;
        // The first bit stays clear: some authorities read a signed number.
        let nonce = u64::from_be_bytes(nonce) >> 1;
        let query = HeaderValue::from_static("application/timestamp-query");
        let question = Question {
            cap: MAX_TIMESTAMP as u64,
            ..Question::post("timestamp authority", url, query, timestamp::request(message, nonce))
                .with(ACCEPT, HeaderValue::from_static("application/timestamp-reply"))
        };
        let reply = self.ask(question).await?.ok()?;
        timestamp::check_answer(&reply.body, message, nonce)
            .map_err(|error| reply.unusable(error))?;
        Ok(reply.body.into())
    }
}
