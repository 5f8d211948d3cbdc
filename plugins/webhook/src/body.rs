//! Messages as JSON.

use serde_json::{Map, Value, json};
use waystation_sdk::channel::{Content, Message, Purpose};
use waystation_sdk::extra;

/// One message.
pub(crate) fn of(address: &str, message: &Message) -> Value {
    let recipient = &message.recipient;
    present(json!({
        "id": message.key,
        "customer": recipient.customer,
        "address": { "kind": address, "value": recipient.address },
        "name": recipient.name,
        "locale": recipient.locale,
        "purpose": match message.purpose {
            Purpose::Marketing => "marketing",
            Purpose::Transactional => "transactional",
        },
        "journey": extra(&message.extras, "journey"),
        "step": extra(&message.extras, "step"),
        "unsubscribe_url": extra(&message.extras, "unsubscribe-url"),
        "content": content(&message.content),
    }))
}

/// All messages of a batch.
pub(crate) fn of_all(address: &str, messages: &[Message]) -> Value {
    json!({ "messages": messages.iter().map(|message| of(address, message)).collect::<Vec<_>>() })
}

fn content(content: &Content) -> Value {
    present(match content {
        Content::Text(text) => json!({ "kind": "text", "text": text }),
        Content::Email(email) => json!({
            "kind": "email",
            "sender": email.sender,
            "subject": email.subject,
            "html": email.html,
            "text": email.text,
            "headers": object(&email.headers),
        }),
        Content::Card(card) => json!({
            "kind": "card",
            "title": card.title,
            "body": card.body,
            "image": card.image,
            "link": card.link,
        }),
        Content::Template(template) => json!({
            "kind": "template",
            "id": template.id,
            "parameters": object(&template.parameters),
        }),
        Content::Post(post) => json!({
            "kind": "post",
            "title": post.title,
            "body": post.body,
            "media": post.media,
            "link": post.link,
        }),
    })
}

fn object(fields: &[(String, String)]) -> Option<Map<String, Value>> {
    let fields = fields.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Some(fields.collect::<Map<_, _>>()).filter(|fields| !fields.is_empty())
}

/// Without what is absent: receivers ask whether a field is there, not what its absence is called.
fn present(value: Value) -> Value {
    match value {
        Value::Object(mut fields) => {
            fields.retain(|_, value| !value.is_null());
            Value::Object(fields)
        }
        other => other,
    }
}
