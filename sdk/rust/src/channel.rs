//! Channels take messages to customers: email, SMS, app push, a chat message, a post, a task for a person.

use std::time::Duration;

use crate::http::{HttpRequest, HttpResponse};
use crate::values::{WHEN_MENDED, milliseconds};
use crate::{Deferral, Plugin};

pub use crate::bindings::channel::exports::waystation::plugin::channel::{
    Card, Content, Email, Message, Outcome, Post, Purpose, Receipt, Reception, Recipient, Refusal,
    RefusalReason, Template, Traits,
};
pub use crate::values::{Report, ReportKind};

/// A plugin that takes messages to customers.
pub trait Channel: Plugin {
    /// What the channel can do. Must always give the same answer for one configuration.
    fn traits(&self) -> Traits;

    /// Sends messages: one outcome for each, in order. Override it where the provider takes many at once; otherwise it is
    /// [`send_one`](Channel::send_one), one after the other.
    fn send(&self, messages: Vec<Message>) -> Vec<Result<Receipt, SendError>> {
        messages.into_iter().map(|message| self.send_one(message)).collect()
    }

    /// Sends one message. A channel that overrides [`send`](Channel::send) has no need of it.
    ///
    /// # Errors
    /// What became of the message instead.
    fn send_one(&self, message: Message) -> Result<Receipt, SendError> {
        Err(SendError::deferred(
            WHEN_MENDED,
            format!("{}: the plugin implements neither send nor send_one", message.key),
        ))
    }

    /// Asks the provider what became of earlier messages: one answer for each key, in order; `None` means certainly never
    /// sent. The host calls it if the traits say `finds`.
    fn find(&self, keys: Vec<String>) -> Vec<Option<Outcome>> {
        keys.iter().map(|_| Some(Outcome::Unknown("this channel cannot tell".to_owned()))).collect()
    }

    /// Reads a provider's reports from a request to the connection's hook. The request is not authenticated: checking a
    /// signature is the plugin's task. The host calls it if the traits say `reports`, but not in a plugin that is a
    /// [`TriggerSource`](crate::TriggerSource) too: there the hook is the trigger source's.
    ///
    /// # Errors
    /// The request makes no sense: the host answers it with status 400 and logs the text.
    fn receive(&self, _request: HttpRequest) -> Result<Reception, String> {
        Ok(Reception::answer(HttpResponse::text(404, "this channel takes no reports")))
    }
}

/// What became of a message that was not accepted.
#[derive(Debug, Clone, PartialEq)]
pub enum SendError {
    /// Certainly not sent, and trying again cannot help.
    Refused(Refusal),
    /// Certainly not sent; the host tries again later with the same key.
    Deferred(Deferral),
    /// It may have been sent.
    Unknown(String),
}

impl SendError {
    /// Certainly not sent, and trying again cannot help. Of the detail at most 1,000 characters are kept.
    #[must_use]
    pub fn refused(reason: RefusalReason, detail: impl Into<String>) -> Self {
        SendError::Refused(Refusal { reason, detail: detail.into() })
    }

    /// Certainly not sent; the host should wait at least `after`, which it bounds to 1 s .. 24 h.
    #[must_use]
    pub fn deferred(after: Duration, detail: impl Into<String>) -> Self {
        SendError::Deferred(Deferral::new(after, detail))
    }

    /// It may have been sent.
    #[must_use]
    pub fn unknown(detail: impl Into<String>) -> Self {
        SendError::Unknown(detail.into())
    }
}

impl From<Result<Receipt, SendError>> for Outcome {
    fn from(result: Result<Receipt, SendError>) -> Self {
        match result {
            Ok(receipt) => Outcome::Accepted(receipt),
            Err(SendError::Refused(refusal)) => Outcome::Refused(refusal),
            Err(SendError::Deferred(deferral)) => Outcome::Deferred(deferral),
            Err(SendError::Unknown(detail)) => Outcome::Unknown(detail),
        }
    }
}

impl Default for Receipt {
    /// The provider took the message and said nothing more.
    fn default() -> Self {
        Receipt { provider_id: None, cost: None, extras: Vec::new() }
    }
}

impl Reception {
    /// An answer without reports.
    #[must_use]
    pub fn answer(response: HttpResponse) -> Self {
        Reception { response, reports: Vec::new() }
    }
}

impl Traits {
    /// Sends to addresses of this kind (`email`, `phone`, …) and takes these cases of [`Content`], the preferred one first.
    ///
    /// Until said otherwise a call brings at most 100 messages, and nothing tells what became of an unknown one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waystation_sdk::channel::Traits;
    ///
    /// let traits = Traits::new("phone", &["text"]).max_batch(500).dedupes_for(Duration::from_secs(86_400));
    /// assert_eq!(traits.dedupe_window, Some(86_400_000));
    /// ```
    #[must_use]
    pub fn new(address: &str, contents: &[&str]) -> Self {
        Traits {
            address: address.to_owned(),
            contents: contents.iter().map(|&content| content.to_owned()).collect(),
            max_batch: 100,
            dedupe_window: None,
            finds: false,
            reports: false,
            extras: Vec::new(),
        }
    }

    /// Most messages in one call, 1 .. 1,000.
    #[must_use]
    pub fn max_batch(mut self, messages: u32) -> Self {
        self.max_batch = messages;
        self
    }

    /// The provider drops a second message with the same key for so long after the first attempt.
    #[must_use]
    pub fn dedupes_for(mut self, window: Duration) -> Self {
        self.dedupe_window = Some(milliseconds(window));
        self
    }

    /// [`Channel::find`] can tell what became of a key.
    #[must_use]
    pub fn finds(mut self) -> Self {
        self.finds = true;
        self
    }

    /// [`Channel::receive`] reads the provider's reports.
    #[must_use]
    pub fn reports(mut self) -> Self {
        self.reports = true;
        self
    }
}
