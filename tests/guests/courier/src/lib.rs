//! A channel, coupon, action and trigger source in one, for a provider of the tests. Its configuration says by which means an
//! *unknown* can be settled, so that connections of every class can be made of it.
//!
//! Everything is a request of its own: `POST {url}/{kind}` with the effect's key, `kind` being `send`, `issue`, `revoke` or
//! `run`. `POST {url}/find` takes a list of keys and answers for each what was done under it, or null. `POST {url}/poll` takes a
//! cursor, 0 at first, and answers events and the next cursor.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use waystation_sdk::action::{Action, Call};
use waystation_sdk::channel::{
    Channel, Content, Message, Outcome, Receipt, RefusalReason, SendError,
};
use waystation_sdk::coupon::{Coupon, Grant, Request, Revocation};
use waystation_sdk::http::{self, HttpRequest, HttpResponse};
use waystation_sdk::trigger_source::{Event, Polled, Subject, Subscription, TriggerSource};
use waystation_sdk::{
    Failure, Manifest, Permission, Plugin, Problem, action, channel, clock, coupon, manifest,
    trigger_source,
};

/// Most effects in a call.
const BATCH: u32 = 8;
/// How long to wait where the provider is busy.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    url: String,
    /// For how long the provider does nothing more under the same key.
    dedupe_seconds: Option<u64>,
    /// Whether the provider tells what became of a key.
    #[serde(default)]
    finds: bool,
    /// Whether the provider is polled for events.
    #[serde(default)]
    polls: bool,
}

struct Courier(Config);

impl Plugin for Courier {
    type Config = Config;

    fn manifest() -> Manifest {
        manifest!("Courier")
            .config_schema(r#"{ "type": "object" }"#)
            .needs(Permission::http("", "Asks the tests' provider."))
    }

    fn new(config: Config) -> Result<Self, Problem> {
        Ok(Courier(config))
    }
}

impl Courier {
    fn window(&self) -> Option<Duration> {
        self.0.dedupe_seconds.map(Duration::from_secs)
    }

    /// One request for each body, all at once.
    fn ask(&self, kind: &str, bodies: &[Value]) -> Vec<Result<Value, Failure>> {
        let requests: Vec<HttpRequest> =
            bodies.iter().map(|body| self.request(kind, body)).collect();
        http::send_all(&requests).into_iter().map(|answer| read(&answer?)).collect()
    }

    fn request(&self, kind: &str, body: &Value) -> HttpRequest {
        HttpRequest::post(format!("{}/{kind}", self.0.url))
            .with_header("content-type", "application/json")
            .with_body(body.to_string())
    }

    /// What the provider knows of these keys; an error is about the question.
    fn known(&self, keys: &[String]) -> Result<Vec<Value>, Failure> {
        let answer = http::send(&self.request("find", &json!(keys)))?;
        match read(&answer)? {
            Value::Array(known) if known.len() == keys.len() => Ok(known),
            other => Err(Failure::unknown(format!("not a list of answers: {other}"))),
        }
    }
}

fn read(response: &HttpResponse) -> Result<Value, Failure> {
    let detail = || format!("status {}", response.status);
    match response.status {
        200 => response.json().map_err(|error| Failure::unknown(error.to_string())),
        422 => Err(Failure::refused(detail())),
        503 => Err(Failure::deferred(PAUSE, detail())),
        _ => Err(Failure::unknown(detail())),
    }
}

impl Channel for Courier {
    fn traits(&self) -> channel::Traits {
        let traits = channel::Traits::new("phone", &["text"]).max_batch(BATCH);
        let traits = if self.0.finds { traits.finds() } else { traits };
        match self.window() {
            Some(window) => traits.dedupes_for(window),
            None => traits,
        }
    }

    fn send(&self, messages: Vec<Message>) -> Vec<Result<Receipt, SendError>> {
        let bodies: Vec<Value> = messages.iter().map(written).collect();
        let answers = self.ask("send", &bodies).into_iter();
        answers.map(|answer| answer.map(|_| Receipt::default()).map_err(send_error)).collect()
    }

    fn find(&self, keys: Vec<String>) -> Vec<Option<Outcome>> {
        match self.known(&keys) {
            Ok(known) => {
                let found =
                    |one: Value| (!one.is_null()).then(|| Outcome::Accepted(Receipt::default()));
                known.into_iter().map(found).collect()
            }
            Err(failure) => {
                keys.iter().map(|_| Some(Outcome::Unknown(text(failure.clone())))).collect()
            }
        }
    }
}

fn written(message: &Message) -> Value {
    let text = match &message.content {
        Content::Text(text) => text.as_str(),
        _ => "",
    };
    json!({ "key": message.key, "to": message.recipient.address, "text": text })
}

fn send_error(failure: Failure) -> SendError {
    match failure {
        Failure::Refused(detail) => SendError::refused(RefusalReason::Address, detail),
        Failure::Deferred(deferral) => SendError::Deferred(deferral),
        Failure::Unknown(detail) => SendError::Unknown(detail),
    }
}

fn text(failure: Failure) -> String {
    match failure {
        Failure::Refused(detail) | Failure::Unknown(detail) => detail,
        Failure::Deferred(deferral) => deferral.detail,
    }
}

impl Coupon for Courier {
    fn traits(&self) -> coupon::Traits {
        let traits = coupon::Traits::new(BATCH);
        let traits = if self.0.finds { traits.finds() } else { traits };
        match self.window() {
            Some(window) => traits.dedupes_for(window),
            None => traits,
        }
    }

    fn issue(&self, requests: Vec<Request>) -> Vec<Result<Grant, coupon::Failure>> {
        let body = |one: &Request| json!({ "key": one.key, "campaign": one.campaign, "valid_until": one.offer.valid_until });
        let bodies: Vec<Value> = requests.iter().map(body).collect();
        let answers = self.ask("issue", &bodies).into_iter();
        answers.map(|answer| grant(&answer?)).collect()
    }

    fn revoke(&self, revocations: Vec<Revocation>) -> Vec<Result<(), coupon::Failure>> {
        let body = |one: &Revocation| json!({ "key": one.key, "code": one.code });
        let bodies: Vec<Value> = revocations.iter().map(body).collect();
        let answers = self.ask("revoke", &bodies).into_iter();
        answers.map(|answer| answer.map(|_| ()).map_err(coupon::Failure::from)).collect()
    }

    fn find(&self, keys: Vec<String>) -> Vec<Result<Option<Grant>, coupon::Failure>> {
        match self.known(&keys) {
            Ok(known) => {
                let found = |one: &Value| {
                    if one.is_null() { Ok(None) } else { grant(one).map(Some) }
                };
                known.iter().map(found).collect()
            }
            Err(failure) => keys.iter().map(|_| Err(failure.clone().into())).collect(),
        }
    }
}

fn grant(answer: &Value) -> Result<Grant, coupon::Failure> {
    match (answer["code"].as_str(), answer["valid_until"].as_u64()) {
        (Some(code), Some(valid_until)) => {
            Ok(Grant { code: code.to_owned(), valid_until, extras: Vec::new() })
        }
        _ => Err(coupon::Failure::unknown(format!("not a coupon: {answer}"))),
    }
}

impl Action for Courier {
    fn traits(&self) -> action::Traits {
        let traits = action::Traits::with_effect()
            .max_batch(BATCH)
            .parameters_schema(r#"{ "type": "object" }"#);
        match self.window() {
            Some(window) => traits.dedupes_for(window),
            None => traits,
        }
    }

    fn run(&self, calls: Vec<Call>) -> Vec<Result<Value, Failure>> {
        let body = |one: &Call| json!({ "key": one.key, "parameters": one.parameters });
        let bodies: Vec<Value> = calls.iter().map(body).collect();
        self.ask("run", &bodies)
    }
}

/// What the provider answers to a poll.
#[derive(Deserialize)]
struct News {
    cursor: u64,
    events: Vec<Noticed>,
}

#[derive(Deserialize)]
struct Noticed {
    id: String,
    customer: String,
    at: u64,
    properties: Value,
}

impl TriggerSource for Courier {
    fn traits(&self) -> trigger_source::Traits {
        let traits = trigger_source::Traits::polls()
            .subscription_schema(r#"{ "type": "object" }"#)
            .event_names(&["customer.noticed"]);
        trigger_source::Traits { polls: self.0.polls, ..traits }
    }

    fn poll(
        &self,
        subscriptions: Vec<Subscription>,
        cursor: Option<String>,
    ) -> Result<Polled, String> {
        let cursor: u64 = match cursor {
            Some(text) => text.parse().map_err(|_| format!("{text} is no cursor of mine"))?,
            None => 0,
        };
        let answer = http::send(&self.request("poll", &json!(cursor)));
        let news = answer.map_err(Failure::from).and_then(|answer| read(&answer)).map_err(text)?;
        let news: News = serde_json::from_value(news).map_err(|error| error.to_string())?;
        let subscription = subscriptions.first().map(|subscription| subscription.id.clone());
        let event = |one: Noticed| Event {
            id: one.id,
            name: "customer.noticed".to_owned(),
            subject: Subject::Customer(one.customer),
            at: one.at,
            properties: one.properties.to_string(),
            subscription: subscription.clone(),
        };
        Ok(Polled {
            events: news.events.into_iter().map(event).collect(),
            cursor: Some(news.cursor.to_string()),
            // As soon as the host will.
            next_at: clock::now(),
        })
    }
}

waystation_sdk::export!(Courier: channel, coupon, action, trigger_source);
