//! Messages and calls to send.

use waystation_sandbox::contract::{
    action::Call,
    channel::{Content, Message, Outcome, Purpose, Recipient},
};

/// A text message.
pub(crate) fn text(key: &str, address: &str, text: &str) -> Message {
    Message {
        key: key.to_owned(),
        recipient: Recipient {
            customer: "c1".to_owned(),
            address: address.to_owned(),
            name: None,
            locale: Some("zh-CN".to_owned()),
        },
        content: Content::Text(text.to_owned()),
        purpose: Purpose::Transactional,
        extras: Vec::new(),
    }
}

/// So many messages, `m0` and on.
pub(crate) fn batch(count: usize) -> Vec<Message> {
    (0..count).map(|number| text(&format!("m{number}"), "+8613800000000", "你好")).collect()
}

/// An order for the plugin `probe`.
pub(crate) fn order(words: &str) -> Call {
    Call {
        key: "k1".to_owned(),
        customer: "c1".to_owned(),
        fields: Vec::new(),
        parameters: words.to_owned(),
    }
}

/// The keys that a batch was accepted under.
pub(crate) fn accepted(outcomes: &[Outcome]) -> Vec<&str> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Accepted(receipt) => {
                receipt.provider_id.as_deref().expect("echo returns the key")
            }
            other => panic!("not accepted: {other:?}"),
        })
        .collect()
}

/// The one detail of outcomes that are all unknown.
pub(crate) fn unknown(outcomes: &[Outcome]) -> &str {
    let details: Vec<&str> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Unknown(detail) => detail.as_str(),
            other => panic!("not unknown: {other:?}"),
        })
        .collect();
    assert!(details.windows(2).all(|pair| pair[0] == pair[1]), "different details: {details:?}");
    details.first().expect("there is an outcome")
}

/// The one detail of outcomes that are all deferred.
pub(crate) fn deferred(outcomes: &[Outcome]) -> &str {
    match outcomes {
        [Outcome::Deferred(first), rest @ ..] => {
            assert!(
                rest.iter().all(|outcome| matches!(outcome, Outcome::Deferred(_))),
                "{outcomes:?}"
            );
            &first.detail
        }
        other => panic!("not deferred: {other:?}"),
    }
}
