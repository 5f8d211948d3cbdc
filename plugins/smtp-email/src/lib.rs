//! An email channel: builds the message and hands it to the operator's SMTP relay.

use serde::Deserialize;
use waystation_sdk::channel::{
    Channel, Content, Message, Purpose, Receipt, RefusalReason, SendError, Traits,
};
use waystation_sdk::mail::{self, Envelope};
use waystation_sdk::{
    Manifest, Permission, Plugin, Problem, clock, export_channel, extra, manifest,
};

mod body;
mod header;
mod mailbox;
mod plain_text;

use header::Headers;
use mailbox::{Mailbox, address_fault, domain_fault};

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
        let mailbox = |path: &str, text: &str| {
            Mailbox::parse(text).map_err(|fault| Problem::new(path, fault))
        };
        let sender = mailbox("/sender", &config.sender)?;
        let message_id_domain =
            config.message_id_domain.unwrap_or_else(|| sender.domain().to_owned());
        if let Some(fault) = domain_fault(&message_id_domain) {
            return Err(Problem::new("/message_id_domain", fault));
        }
        if let Some(fault) = config.unsubscribe_mailto.as_deref().and_then(address_fault) {
            return Err(Problem::new("/unsubscribe_mailto", fault));
        }
        let reply_to =
            config.reply_to.as_deref().map(|text| mailbox("/reply_to", text)).transpose()?;
        Ok(SmtpEmail {
            sender,
            message_id_domain,
            reply_to,
            unsubscribe_mailto: config.unsubscribe_mailto,
        })
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
        let recipient = &message.recipient;
        if let Some(fault) = address_fault(&recipient.address) {
            return Err(SendError::refused(RefusalReason::Address, fault));
        }
        let to = Mailbox { name: recipient.name.clone(), address: recipient.address.clone() };
        let (sender, message) = self.written(message, &to, now).map_err(refused_content)?;
        Ok(Envelope { sender, recipients: vec![to.address], message: message.into_bytes() })
    }

    /// The sender's address and the message as RFC 5322 defines it, or what is wrong with the content.
    fn written(
        &self,
        message: &Message,
        to: &Mailbox,
        now: u64,
    ) -> Result<(String, String), String> {
        let mut sender = self.sender.clone();
        let (subject, own_headers) = match &message.content {
            Content::Email(email) => {
                if let Some(text) = &email.sender {
                    sender =
                        Mailbox::parse(text).map_err(|fault| format!("the sender: {fault}"))?;
                }
                (email.subject.as_str(), &email.headers[..])
            }
            Content::Text(text) => (text.trim().lines().next().unwrap_or_default(), &[][..]),
            _ => return Err("this channel takes `email` and `text`".to_owned()),
        };
        let mut headers = Headers::default();
        headers.mailbox("From", &sender)?;
        headers.mailbox("To", to)?;
        if let Some(reply_to) = &self.reply_to {
            headers.mailbox("Reply-To", reply_to)?;
        }
        headers.text("Subject", subject)?;
        headers.date(now)?;
        headers.verbatim("Message-ID", &format!("<{}>", self.message_id(&message.key)))?;
        self.unsubscribe(message, &mut headers)?;
        for (name, value) in own_headers {
            headers.own(name, value)?;
        }
        headers.verbatim("MIME-Version", "1.0")?;
        let text = headers.finish() + &body::written(&message.content, &message.key)?;
        Ok((sender.address, text))
    }

    /// Mail programs show their own unsubscribe button for these (RFC 2369, RFC 8058).
    fn unsubscribe(&self, message: &Message, headers: &mut Headers) -> Result<(), String> {
        let url = extra(&message.extras, "unsubscribe-url");
        if let Some(url) = url
            && !(url.starts_with("https://") || url.starts_with("http://"))
        {
            return Err(format!("the unsubscribe address `{url}` is not a web address"));
        }
        // Transactional mail, such as a receipt, is not subscribed to.
        let mailto =
            self.unsubscribe_mailto.as_deref().filter(|_| message.purpose == Purpose::Marketing);
        let places: Vec<String> = url
            .into_iter()
            .map(str::to_owned)
            .chain(mailto.map(|address| format!("mailto:{address}")))
            .collect();
        if places.is_empty() {
            return Ok(());
        }
        let places: Vec<String> = places.iter().map(|place| format!("<{place}>")).collect();
        headers.verbatim("List-Unsubscribe", &places.join(", "))?;
        if url.is_some_and(|url| url.starts_with("https://")) {
            headers.verbatim("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")?;
        }
        Ok(())
    }

    /// The same on every attempt, so that a relay or mailbox that looks at it keeps one copy.
    fn message_id(&self, key: &str) -> String {
        format!("{key}@{}", self.message_id_domain)
    }
}

fn refused_content(fault: String) -> SendError {
    SendError::refused(RefusalReason::Content, fault)
}

export_channel!(SmtpEmail);

#[cfg(test)]
mod tests;
