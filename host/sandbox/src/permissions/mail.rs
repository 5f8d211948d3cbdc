//! Mail over the connection's relay, for the senders that were granted.

use std::time::Instant;

use futures_util::{StreamExt as _, stream};

use super::{NOT_RECORDED, bounded};
use crate::{
    bindings::waystation::plugin::mail::{self, Envelope, Error},
    guest::Guest,
    relay::{self, Failure, Letter, Relay},
};

const DENIED: &str = "the connection may not send mail";

/// What a replayed call is answered that the recording has no answer for.
fn missing(granted: bool) -> Result<String, Error> {
    Err(if granted {
        Error::Deferred(NOT_RECORDED.to_owned())
    } else {
        Error::Denied(DENIED.to_owned())
    })
}

impl mail::Host for Guest {
    async fn submit(
        &mut self,
        envelopes: Vec<Envelope>,
    ) -> wasmtime::Result<Vec<Result<String, Error>>> {
        bounded("mail.submit", envelopes.len())?;
        if let Some(answers) = self.tape.replayed("mail.submit", &envelopes, missing) {
            return Ok(answers);
        }
        let asked = self.tape.asked(&envelopes);
        let answers = self.submit_all(envelopes).await;
        self.tape.answered("mail.submit", asked, &answers);
        Ok(answers)
    }
}

impl Guest {
    async fn submit_all(&self, envelopes: Vec<Envelope>) -> Vec<Result<String, Error>> {
        let deny = |reason: &str| {
            envelopes.iter().map(|_| Err(Error::Denied(reason.to_owned()))).collect()
        };
        let Some(grant) = &self.context.mail else {
            return deny(DENIED);
        };
        if !self.began {
            return deny("mail cannot be sent before the call has begun");
        }
        let until = self.answer_by();
        let submissions: Vec<_> = envelopes
            .into_iter()
            .map(|envelope| submit(&grant.relay, &grant.senders, envelope, until))
            .collect();
        stream::iter(submissions).buffered(relay::CONCURRENT).collect().await
    }
}

async fn submit(
    relay: &Relay,
    senders: &[String],
    envelope: Envelope,
    until: Instant,
) -> Result<String, Error> {
    if !relay::allows(senders, &envelope.sender) {
        return Err(Error::Denied("the connection may not send mail from this sender".to_owned()));
    }
    let letter = Letter::new(envelope).map_err(Error::Denied)?;
    relay.submit(&letter, until).await.map_err(|failure| match failure {
        Failure::Refused(detail) => Error::Refused(detail),
        Failure::Deferred(detail) => Error::Deferred(detail),
        Failure::Interrupted(detail) => Error::Interrupted(detail),
    })
}
