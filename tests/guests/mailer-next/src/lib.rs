//! The next release of `mailer`, which does some things differently: another subject, a copy of messages that say `copy`, no
//! mail at all and a refusal for those that say `skip`, another batch, a permission more, and a mood that it needs to know.

wit_bindgen::generate!({ path: "../../../wit", world: "channel-plugin", generate_all });

use exports::waystation::plugin::{
    channel::{
        Content, Guest as Channel, HttpRequest, Message, Outcome, Receipt, Reception, Refusal,
        RefusalReason, Traits,
    },
    plugin::{Guest as Plugin, Manifest, Permission, Problem},
};
use waystation::plugin::{
    config,
    mail::{self, Envelope, Error},
    types::Deferral,
};

struct Mailer;

fn permission(name: &str, reason: &str) -> Permission {
    Permission { name: name.to_owned(), scope: String::new(), reason: reason.to_owned() }
}

fn send(message: &Message) -> Outcome {
    let text = match &message.content {
        Content::Text(text) => text.as_str(),
        _ => "",
    };
    if text.contains("skip") {
        return Outcome::Refused(Refusal {
            reason: RefusalReason::Content,
            detail: "it says skip".to_owned(),
        });
    }
    let mut envelopes = vec![envelope(message)];
    if text.contains("copy") {
        let recipients = vec!["archive@example.com".to_owned()];
        envelopes.push(Envelope { recipients, ..envelope(message) });
    }
    let mut answers = mail::submit(&envelopes).into_iter().map(outcome);
    answers.next().unwrap_or_else(|| Outcome::Unknown("no answer".to_owned()))
}

impl Plugin for Mailer {
    fn describe() -> Manifest {
        Manifest {
            name: "mailer".to_owned(),
            version: "0.2.0".to_owned(),
            title: "Mailer".to_owned(),
            summary: "For the host's tests.".to_owned(),
            vendor: "Waystation".to_owned(),
            license: "Apache-2.0".to_owned(),
            config_schema: r#"{"type":"object","required":["mood"]}"#.to_owned(),
            permissions: vec![
                permission("mail", "It sends mail."),
                permission("store", "It remembers."),
            ],
            extras: Vec::new(),
        }
    }

    fn check() -> Result<(), Vec<Problem>> {
        if config::get().contains("mood") {
            return Ok(());
        }
        Err(vec![Problem { path: "/mood".to_owned(), message: "say how it feels".to_owned() }])
    }
}

fn envelope(message: &Message) -> Envelope {
    let text = match &message.content {
        Content::Text(text) => text.as_str(),
        _ => "",
    };
    Envelope {
        sender: "news@example.com".to_owned(),
        recipients: message.recipient.address.split(',').map(str::to_owned).collect(),
        message: format!(
            "From: news@example.com\r\nTo: {}\r\nMessage-ID: <{}@example.com>\r\nSubject: news\r\n\r\n{text}\r\n",
            message.recipient.address, message.key
        )
        .into_bytes(),
    }
}

/// The relay's answers are told apart by the kind of outcome, and a denial by its detail.
fn outcome(answer: Result<String, Error>) -> Outcome {
    match answer {
        Ok(reply) => {
            Outcome::Accepted(Receipt { provider_id: Some(reply), cost: None, extras: Vec::new() })
        }
        Err(Error::Denied(detail)) => Outcome::Refused(Refusal {
            reason: RefusalReason::Account,
            detail: format!("denied: {detail}"),
        }),
        Err(Error::Refused(detail)) => {
            Outcome::Refused(Refusal { reason: RefusalReason::Address, detail })
        }
        Err(Error::Deferred(detail)) => Outcome::Deferred(Deferral { after: 60_000, detail }),
        Err(Error::Interrupted(detail)) => Outcome::Unknown(detail),
    }
}

impl Channel for Mailer {
    fn get_traits() -> Traits {
        Traits {
            address: "email".to_owned(),
            contents: vec!["text".to_owned()],
            max_batch: 10,
            dedupe_window: None,
            finds: false,
            reports: false,
            extras: Vec::new(),
        }
    }

    fn send(messages: Vec<Message>) -> Vec<Outcome> {
        messages.iter().map(send).collect()
    }

    fn find(_keys: Vec<String>) -> Vec<Option<Outcome>> {
        Vec::new()
    }

    fn receive(_request: HttpRequest) -> Result<Reception, String> {
        Err("no reports here".to_owned())
    }
}

export!(Mailer);
