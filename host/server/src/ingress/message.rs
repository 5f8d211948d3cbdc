//! A message as the events in it, and what in it is none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use waystation_store::records::{
    AsideBody, AsideReason, BadPart, NewEvent, StreamEvent, StreamMessage, Subject,
};

use crate::event::{EVENTS, EventFault, FaultKind, Origin, event};

/// Largest message that is read, in bytes: as large as a request with events.
pub(crate) const MESSAGE: usize = 8 << 20;
/// Most bytes kept of what is set aside: more than any event has.
const KEPT: usize = 96 << 10;
/// Longest identifier that is taken from a message's header, in characters.
const ID: usize = 120;

/// A message as it comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) stream: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) sequence: i64,
    /// In Unix nanoseconds.
    pub(crate) published: i64,
    /// The header by which the stream's server tells repeated messages.
    pub(crate) message_id: Option<&'a str>,
    pub(crate) payload: &'a [u8],
}

/// The source of events that come by a stream: its identifiers are taken once.
pub(crate) fn source(stream: &str) -> String {
    format!("nats:{stream}")
}

/// Reads a message. What is no event in it is set aside by itself; the others are taken.
pub(crate) fn read(incoming: Incoming<'_>) -> StreamMessage {
    let mut message = StreamMessage {
        sequence: incoming.sequence,
        published: incoming.published,
        subject: shown(incoming.subject),
        events: Vec::new(),
        bad: Vec::new(),
    };
    match parse(incoming.payload) {
        Err((reason, detail)) => message.bad.push(BadPart {
            part: -1,
            reason,
            detail: shown(&detail),
            event_id: incoming.id(),
            body: kept(incoming.payload),
            size: size(incoming.payload.len()),
        }),
        Ok(Value::Array(values)) => {
            for (part, value) in (0..).zip(values) {
                add(&mut message, part, value, incoming, format!("{}/{part}", incoming.id()));
            }
        }
        Ok(value) => add(&mut message, 0, value, incoming, incoming.id()),
    }
    message
}

fn parse(payload: &[u8]) -> Result<Value, (AsideReason, String)> {
    if payload.len() > MESSAGE {
        let size = payload.len();
        let detail = format!("the message has {size} bytes, more than the {MESSAGE} allowed");
        return Err((AsideReason::TooLarge, detail));
    }
    let value: Value = serde_json::from_slice(payload)
        .map_err(|error| (AsideReason::NotJson, format!("the message is not JSON: {error}")))?;
    match value.as_array().map(Vec::len) {
        Some(count) if !(1..=EVENTS).contains(&count) => {
            let detail = format!("a message has 1 to {EVENTS} events, not {count}");
            Err((AsideReason::NotAnEvent, detail))
        }
        _ => Ok(value),
    }
}

fn add(message: &mut StreamMessage, part: i64, value: Value, incoming: Incoming<'_>, id: String) {
    let text = value.to_string();
    let origin = Origin {
        source: &source(incoming.stream),
        id: Some(id.clone()),
        at: incoming.published / 1_000_000,
    };
    match event(value, origin) {
        Ok(event) => {
            // Only an event that names an identity can find no customer.
            let body = match event.subject {
                Subject::Identity { .. } => written(&event),
                Subject::Customer(_) => String::new(),
            };
            message.events.push(StreamEvent { part, event, body });
        }
        Err(fault) => message.bad.push(BadPart {
            part,
            reason: match fault.kind {
                FaultKind::Form => AsideReason::NotAnEvent,
                FaultKind::Size => AsideReason::TooLarge,
            },
            detail: shown(&detail(&fault)),
            event_id: id,
            body: kept(text.as_bytes()),
            size: size(text.len()),
        }),
    }
}

impl Incoming<'_> {
    /// The identifier of an event that names none: what the publisher called the message, or else its place in the stream
    /// and its time, which no other message of the stream has, even after the stream was made anew.
    fn id(&self) -> String {
        let sound =
            |id: &&str| (1..=ID).contains(&id.chars().count()) && !id.chars().any(char::is_control);
        match self.message_id.filter(sound) {
            Some(id) => id.to_owned(),
            None => format!("{}@{}", self.sequence, self.published),
        }
    }
}

/// An event in words of its own, so that it can be taken later as what it is now.
pub(crate) fn written(event: &NewEvent) -> String {
    let mut body = serde_json::json!({
        "id": event.id, "name": event.name, "at": event.at, "properties": event.properties,
    });
    match &event.subject {
        Subject::Customer(id) => body["customer"] = id.as_str().into(),
        Subject::Identity { kind, value } => {
            body["identity"] = serde_json::json!({ "kind": kind, "value": value });
        }
    }
    body.to_string()
}

/// The fault as a sentence with its place.
pub(crate) fn detail(fault: &EventFault) -> String {
    match fault.field {
        "" => fault.message.clone(),
        field => format!("{field}: {}", fault.message),
    }
}

/// Text without the one character that not every database takes.
pub(crate) fn shown(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The beginning of a body: as text if it is text that every database takes, else in base64.
fn kept(body: &[u8]) -> AsideBody {
    let start = &body[..body.len().min(KEPT)];
    let text = match std::str::from_utf8(start) {
        Ok(text) => Some(text),
        // The cut may have gone through a character.
        Err(error) if start.len() < body.len() && error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    match text {
        Some(text) if !text.contains('\0') => AsideBody::Text(text.to_owned()),
        _ => AsideBody::Base64(STANDARD.encode(start)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHEN: i64 = 1_750_000_000_123_456_789;

    fn incoming(payload: &[u8]) -> Incoming<'_> {
        Incoming {
            stream: "SHOP",
            subject: "events.cart",
            sequence: 7,
            published: WHEN,
            message_id: None,
            payload,
        }
    }

    fn ids(message: &StreamMessage) -> Vec<&str> {
        message.events.iter().map(|one| one.event.id.as_str()).collect()
    }

    #[test]
    fn events_have_identifiers_even_if_they_name_none() {
        let one = br#"{"name":"a","customer":"c"}"#;
        let two = br#"[{"name":"a","customer":"c"},{"id":"own","name":"a","customer":"c"}]"#;
        let place = format!("7@{WHEN}");
        let named = |payload| Incoming { message_id: Some("order-9"), ..incoming(payload) };
        assert_eq!(ids(&read(incoming(one))), [place.as_str()]);
        assert_eq!(ids(&read(incoming(two))), [format!("{place}/0").as_str(), "own"]);
        assert_eq!(ids(&read(named(one))), ["order-9"]);
        assert_eq!(ids(&read(named(two))), ["order-9/0", "own"]);
        let long = "x".repeat(121);
        let long = Incoming { message_id: Some(&long), ..incoming(one) };
        assert_eq!(ids(&read(long)), [place.as_str()]);
    }

    #[test]
    fn an_event_happened_when_it_was_published_unless_it_says_so() {
        let payload =
            br#"[{"id":"1","name":"a","customer":"c"},{"id":"2","name":"a","customer":"c","at":5}]"#;
        let message = read(incoming(payload));
        let at: Vec<i64> = message.events.iter().map(|one| one.event.at).collect();
        assert_eq!(at, [1_750_000_000_123, 5]);
        assert_eq!(message.events[0].event.source, "nats:SHOP");
    }

    #[track_caller]
    fn check(payload: &[u8], expected: &[(i64, &str, &str)]) {
        let message = read(incoming(payload));
        let bad: Vec<(i64, &str, &str)> = message
            .bad
            .iter()
            .map(|one| (one.part, one.reason.word(), one.detail.as_str()))
            .collect();
        assert_eq!(bad, expected);
    }

    #[test]
    fn what_is_no_event_is_told_with_its_reason() {
        check(
            b"hello",
            &[(-1, "not_json", "the message is not JSON: expected value at line 1 column 1")],
        );
        check(
            b"",
            &[(
                -1,
                "not_json",
                "the message is not JSON: EOF while parsing a value at line 1 column 0",
            )],
        );
        check(b"[]", &[(-1, "not_an_event", "a message has 1 to 1000 events, not 0")]);
        check(b"7", &[(0, "not_an_event", "invalid type: integer `7`, expected struct EventBody")]);
        check(
            br#"[{"name":"a","customer":"c"},{"name":"A","customer":"c"},{"name":"a"}]"#,
            &[
                (
                    1,
                    "not_an_event",
                    "name: give the event a name of lower case words joined by `.` and `_`, such as `cart.item_added`, at most 128 characters",
                ),
                (
                    2,
                    "not_an_event",
                    "customer: say whom it is about: either `customer` or `identity`",
                ),
            ],
        );
        let many = format!("[{}1]", "1,".repeat(1000));
        check(many.as_bytes(), &[(-1, "not_an_event", "a message has 1 to 1000 events, not 1001")]);
    }

    #[test]
    fn what_is_too_large_is_kept_in_part() {
        let event = format!(
            r#"{{"name":"a","customer":"c","properties":{{"x":"{}"}}}}"#,
            "é".repeat(60_000)
        );
        let message = read(incoming(event.as_bytes()));
        let [bad] = message.bad.as_slice() else { panic!("{message:?}") };
        assert_eq!((bad.reason, bad.part), (AsideReason::TooLarge, 0));
        assert!(bad.size > 120_000, "{}", bad.size);
        let AsideBody::Text(text) = &bad.body else { panic!("{:?}", bad.body) };
        assert!(text.len() <= KEPT && text.len() > KEPT - 4, "{}", text.len());
        let message = read(incoming(&vec![b' '; MESSAGE + 1]));
        assert_eq!((message.bad[0].reason, message.bad[0].part), (AsideReason::TooLarge, -1));
    }

    #[test]
    fn bytes_that_no_text_column_takes_are_kept_in_base64() {
        for (payload, expected) in [
            (&b"\xff\x00"[..], AsideBody::Base64("/wA=".to_owned())),
            (&b"a\0b"[..], AsideBody::Base64("YQBi".to_owned())),
            (&b"plain"[..], AsideBody::Text("plain".to_owned())),
        ] {
            assert_eq!(read(incoming(payload)).bad[0].body, expected);
        }
    }

    #[test]
    fn what_is_kept_of_an_event_reads_as_the_same_event() {
        let payload =
            br#"{"name":"a","identity":{"kind":"email","value":"a@b"},"properties":{"n":1}}"#;
        let message = read(incoming(payload));
        let kept = &message.events[0];
        let origin = Origin { source: "nats:SHOP", id: None, at: 0 };
        let again = event(serde_json::from_str(&kept.body).unwrap(), origin).unwrap();
        assert_eq!(format!("{again:?}"), format!("{:?}", kept.event));
    }
}
