//! An email channel: builds the message and hands it to the operator's SMTP relay.

use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use serde::Deserialize;
use waystation_sdk::channel::{
    Channel, Content, Message, Receipt, RefusalReason, SendError, Traits,
};
use waystation_sdk::email::{
    check_address, check_domain, check_line, check_own_header, unsubscribe_headers,
};
use waystation_sdk::mail::{self, Envelope};
use waystation_sdk::{
    Manifest, Permission, Plugin, Problem, clock, export_channel, manifest, plain_text,
};

struct SmtpEmail {
    sender: Mailbox,
    message_id_domain: String,
    reply_to: Option<Mailbox>,
    unsubscribe_mailto: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    sender: String,
    message_id_domain: Option<String>,
    reply_to: Option<String>,
    unsubscribe_mailto: Option<String>,
}

impl Plugin for SmtpEmail {
    type Config = Config;

    fn manifest() -> Manifest {
        manifest!("Email over SMTP")
            .config_schema(include_str!("../config.schema.json"))
            .needs(Permission::mail("Hands messages to your mail relay."))
    }

    fn new(config: Config) -> Result<Self, Problem> {
        let at = |path: &'static str| move |fault: String| Problem::new(path, fault);
        let sender = mailbox(&config.sender).map_err(at("/sender"))?;
        let message_id_domain =
            config.message_id_domain.unwrap_or_else(|| sender.email.domain().to_owned());
        check_domain(&message_id_domain).map_err(at("/message_id_domain"))?;
        let reply_to =
            config.reply_to.as_deref().map(mailbox).transpose().map_err(at("/reply_to"))?;
        if let Some(address) = &config.unsubscribe_mailto {
            check_address(address).map_err(at("/unsubscribe_mailto"))?;
        }
        let unsubscribe_mailto = config.unsubscribe_mailto;
        Ok(SmtpEmail { sender, message_id_domain, reply_to, unsubscribe_mailto })
    }
}

impl Channel for SmtpEmail {
    fn traits(&self) -> Traits {
        Traits::new("email", &["email", "text"])
    }

    /// The relay gets the whole batch at once; what could not even be written down keeps its place among the outcomes.
    fn send(&self, messages: Vec<Message>) -> Vec<Result<Receipt, SendError>> {
        let now = clock::now();
        let written: Vec<_> = messages.iter().map(|message| self.envelope(message, now)).collect();
        let envelopes: Vec<Envelope> =
            written.iter().filter_map(|envelope| envelope.clone().ok()).collect();
        let mut answers = mail::submit(&envelopes).into_iter();
        let mut outcome = |(message, envelope): (&Message, Result<Envelope, SendError>)| {
            envelope?;
            let answer = answers
                .next()
                .unwrap_or_else(|| Err(mail::Error::Interrupted("no answer".to_owned())));
            let reply = answer?;
            Ok(Receipt {
                provider_id: Some(self.message_id(&message.key)),
                extras: vec![("relay-reply".to_owned(), reply)],
                ..Receipt::default()
            })
        };
        messages.iter().zip(written).map(&mut outcome).collect()
    }
}

impl SmtpEmail {
    fn envelope(&self, message: &Message, now: u64) -> Result<Envelope, SendError> {
        let address = &message.recipient.address;
        check_address(address)
            .map_err(|fault| SendError::refused(RefusalReason::Address, fault))?;
        let (sender, text) = self
            .written(message, now)
            .map_err(|fault| SendError::refused(RefusalReason::Content, fault))?;
        Ok(Envelope { sender, recipients: vec![address.clone()], message: text })
    }

    /// The sender's address and the message as RFC 5322 defines it, or what is wrong with the content.
    fn written(&self, message: &Message, now: u64) -> Result<(String, Vec<u8>), String> {
        let recipient = &message.recipient;
        let to = recipient.address.parse().map_err(|error| format!("the recipient: {error}"))?;
        let mut sender = self.sender.clone();
        let (subject, own_headers, text, html) = match &message.content {
            Content::Email(email) => {
                if let Some(text) = &email.sender {
                    sender = mailbox(text).map_err(|fault| format!("the sender: {fault}"))?;
                }
                (
                    email.subject.as_str(),
                    &email.headers[..],
                    email.text.as_ref(),
                    email.html.as_ref(),
                )
            }
            Content::Text(text) => {
                (text.trim().lines().next().unwrap_or_default(), &[][..], Some(text), None)
            }
            _ => return Err("this channel takes `email` and `text`".to_owned()),
        };
        check_line("Subject", subject)?;
        let name = recipient.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
        name.map_or(Ok(()), |name| check_line("To", name))?;
        let mut builder = lettre::Message::builder()
            .from(sender.clone())
            .to(Mailbox::new(name.map(str::to_owned), to))
            .subject(subject)
            .date(SystemTime::UNIX_EPOCH + Duration::from_millis(now))
            .message_id(Some(format!("<{}>", self.message_id(&message.key))));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        for (name, value) in unsubscribe_headers(message, self.unsubscribe_mailto.as_deref())? {
            builder = builder.raw_header(header(name, value)?);
        }
        for (name, value) in own_headers {
            check_own_header(name, value)?;
            builder = builder.raw_header(header(name, value.clone())?);
        }
        let text = match (text, html) {
            (Some(text), _) => text.clone(),
            (None, Some(html)) => plain_text::from_html(html),
            (None, None) => return Err("the email has neither HTML nor text".to_owned()),
        };
        let built = match html {
            Some(html) => builder.multipart(alternative(&message.key, text, html.clone())?),
            None => builder.singlepart(SinglePart::plain(text)),
        };
        let built = built.map_err(|error| format!("the message cannot be built: {error}"))?;
        Ok((sender.email.to_string(), built.formatted()))
    }

    /// The same on every attempt, so that a relay or mailbox that looks at it keeps one copy.
    fn message_id(&self, key: &str) -> String {
        format!("{key}@{}", self.message_id_domain)
    }
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    let mailbox: Mailbox =
        text.parse().map_err(|_| format!("`{text}` is not `address` or `name <address>`"))?;
    check_address(mailbox.email.as_ref())?;
    Ok(mailbox)
}

fn header(name: &str, value: String) -> Result<HeaderValue, String> {
    let name = HeaderName::new_from_ascii(name.to_owned());
    Ok(HeaderValue::new(name.map_err(|error| format!("a header: {error}"))?, value))
}

/// The same content and key give the same bytes.
fn alternative(key: &str, text: String, html: String) -> Result<MultiPart, String> {
    // The key is new for each message; its end differs most. A boundary has at most 70 characters.
    let boundary = format!("=_{}", &key[key.len().saturating_sub(60)..]);
    if text.contains(&boundary) || html.contains(&boundary) {
        return Err("the content holds the message's key".to_owned());
    }
    Ok(MultiPart::alternative()
        .boundary(boundary)
        .singlepart(SinglePart::plain(text))
        .singlepart(SinglePart::html(html)))
}

export_channel!(SmtpEmail);

#[cfg(test)]
mod tests;
