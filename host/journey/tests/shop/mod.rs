//! The shop that all tests are about: its connections, and its reminder of unpaid carts.

use std::collections::BTreeMap;

use serde_json::json;
use waystation_journey::{ChannelFacts, ConnectionFacts, Connections, ContentKind};

pub(crate) const CART: &str = include_str!("cart-unpaid-reminder.yaml");

/// `notice` (card, text), `sms` (text), `mail` (email), `weibo` (post, text), `coupons`, the actions `recommender`, of whose
/// parameters nothing is known, and `strict`, and the trigger source `calendar`.
pub(crate) fn connections() -> Connections {
    let channel = |address: &str, contents: &[ContentKind]| ConnectionFacts {
        channel: Some(ChannelFacts { address: address.to_owned(), contents: contents.to_vec() }),
        ..ConnectionFacts::default()
    };
    Connections(BTreeMap::from([
        ("notice".to_owned(), channel("wechat-openid", &[ContentKind::Card, ContentKind::Text])),
        ("sms".to_owned(), channel("phone", &[ContentKind::Text])),
        ("mail".to_owned(), channel("email", &[ContentKind::Email])),
        ("weibo".to_owned(), channel("weibo-id", &[ContentKind::Post, ContentKind::Text])),
        ("coupons".to_owned(), ConnectionFacts { coupon: true, ..ConnectionFacts::default() }),
        ("strict".to_owned(), strict()),
        ("calendar".to_owned(), calendar()),
        ("recommender".to_owned(), ConnectionFacts { action: true, ..ConnectionFacts::default() }),
    ]))
}

fn strict() -> ConnectionFacts {
    let parameters = json!({
        "type": "object",
        "required": ["sku"],
        "additionalProperties": false,
        "properties": {
            "sku": { "type": "string" },
            "count": { "type": "integer" },
            "share": { "type": ["number", "null"] },
            "whatever": {},
        },
    });
    ConnectionFacts { action: true, parameters: Some(parameters), ..ConnectionFacts::default() }
}

fn calendar() -> ConnectionFacts {
    let subscription = json!({
        "type": "object",
        "required": ["date"],
        "additionalProperties": false,
        "properties": {
            "date": { "type": "string" },
            "at": { "type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$" },
            "years": { "type": "array", "items": { "type": "integer" } },
        },
    });
    ConnectionFacts {
        trigger_source: true,
        subscription: Some(subscription),
        ..ConnectionFacts::default()
    }
}

pub(crate) fn lines<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
