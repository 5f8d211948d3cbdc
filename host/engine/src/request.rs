//! From the ledger's rows to what plugins are asked, in the contract's words.

mod digest;

use std::sync::Arc;

use serde_json::Value;
use waystation_journey::{Asking, Benefit, Content, Effect, Money, Offer, Policy, Purpose};
use waystation_sandbox::contract::{action, channel, coupon, types};
use waystation_store::records::{DueEffect, Verdict};

use crate::actions::Fault;
use crate::programs::Picture;
use crate::unsubscribe::UnsubscribeLinks;
use crate::workshop::Link;

/// A due effect, read and decided upon.
pub(crate) struct Prepared {
    pub(crate) due: DueEffect,
    pub(crate) ask: Ask,
    /// What limits have still to be asked about, if any apply.
    pub(crate) asking: Option<Box<Asking>>,
}

/// What it is decided by.
pub(crate) struct Terms<'a> {
    pub(crate) link: &'a Link,
    pub(crate) links: Option<&'a UnsubscribeLinks>,
    pub(crate) policy: &'a Arc<Policy>,
    pub(crate) picture: &'a Picture,
    pub(crate) now: i64,
}

/// What the plugin is asked.
pub(crate) enum Ask {
    Send(channel::Message),
    Issue(coupon::Request, Offer),
    Revoke(coupon::Revocation),
    Run(action::Call),
}

/// Decides at the time of sending whether the effect is carried out, and words it for the plugin.
pub(crate) fn prepare(due: DueEffect, terms: &Terms<'_>) -> Result<Prepared, (String, Verdict)> {
    let link = terms.link;
    let mut asking = None;
    let suppress = |due: &DueEffect, reason| (due.key.clone(), Verdict::Suppress(reason));
    let Ok(effect) = serde_json::from_str::<Effect>(&due.body) else {
        return Err(suppress(&due, "unreadable"));
    };
    let ask = match effect {
        Effect::Send { content, purpose, .. } => {
            let Some(facts) = &link.facts.channel else {
                return Err(suppress(&due, "not_a_channel"));
            };
            let Some(program) = terms.picture.program(&due.journey, due.version) else {
                return Err(suppress(&due, "journey_not_loaded"));
            };
            let considered = waystation_journey::Message {
                key: &due.key,
                step: &due.step,
                customer: &due.customer,
                purpose,
                connection: link.connection.name(),
                channel: facts,
                program,
                policy: terms.policy,
            };
            let address = match considered.decide_alone(terms.now) {
                Ok(address) => address.to_owned(),
                Err(ruling) => return Err((due.key.clone(), Verdict::Hold(Box::new(ruling)))),
            };
            asking = considered.asking().map(Box::new);
            // Nobody unsubscribes from what belongs to an order of their own.
            let links = terms.links.filter(|_| purpose == Purpose::Marketing);
            let unsubscribe =
                links.map(|links| links.link(&due.customer.id, purpose, &facts.address));
            Ask::Send(message(&due, address, content, purpose, unsubscribe))
        }
        Effect::Publish { content, .. } => {
            if link.facts.channel.is_none() {
                return Err(suppress(&due, "not_a_channel"));
            }
            // The account is the connection's own, and the customer has no part in it.
            Ask::Send(message(&due, String::new(), content, Purpose::Transactional, None))
        }
        Effect::Issue { campaign, offer, .. } => {
            if link.coupon.is_none() {
                return Err(suppress(&due, "not_a_coupon_plugin"));
            }
            let request = coupon::Request {
                key: due.key.clone(),
                customer: due.customer.id.clone(),
                campaign,
                offer: contract_offer(&offer),
                extras: Vec::new(),
            };
            Ask::Issue(request, offer)
        }
        Effect::Revoke { campaign, code, grant_key, .. } => {
            if link.coupon.is_none() {
                return Err(suppress(&due, "not_a_coupon_plugin"));
            }
            Ask::Revoke(coupon::Revocation { key: grant_key, campaign, code, extras: Vec::new() })
        }
        Effect::Run { parameters, .. } => {
            if link.action.is_none() {
                return Err(suppress(&due, "not_an_action"));
            }
            match link.terms.call(&due.key, &due.customer, parameters) {
                Ok(call) => Ask::Run(call),
                Err(Fault { reason, detail }) => {
                    return Err((due.key.clone(), Verdict::Refuse { reason, detail }));
                }
            }
        }
    };
    Ok(Prepared { due, ask, asking })
}

fn message(
    due: &DueEffect,
    address: String,
    content: Content,
    purpose: Purpose,
    unsubscribe: Option<String>,
) -> channel::Message {
    let word =
        |name: &str| due.customer.attributes.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut extras =
        vec![("journey".to_owned(), due.journey.clone()), ("step".to_owned(), due.step.clone())];
    extras.extend(unsubscribe.map(|link| ("unsubscribe-url".to_owned(), link)));
    channel::Message {
        key: due.key.clone(),
        recipient: channel::Recipient {
            customer: due.customer.id.clone(),
            address,
            name: word("name"),
            locale: word("locale"),
        },
        content: contract_content(content),
        purpose: match purpose {
            Purpose::Marketing => channel::Purpose::Marketing,
            Purpose::Transactional => channel::Purpose::Transactional,
        },
        extras,
    }
}

fn contract_content(content: Content) -> channel::Content {
    match content {
        Content::Text { text } => channel::Content::Text(text),
        Content::Email { subject, html, text } => channel::Content::Email(channel::Email {
            sender: None,
            subject,
            html,
            text,
            headers: Vec::new(),
        }),
        Content::Card { title, body, image, link } => {
            channel::Content::Card(channel::Card { title, body, image, link })
        }
        Content::Template { id, parameters } => {
            channel::Content::Template(channel::Template { id, parameters })
        }
        Content::Post { title, body, media, link } => {
            channel::Content::Post(channel::Post { title, body, media, link })
        }
    }
}

fn contract_offer(offer: &Offer) -> coupon::Offer {
    let benefit = match &offer.benefit {
        Benefit::AmountOff(money) => coupon::Benefit::AmountOff(contract_money(money)),
        Benefit::PerMilleOff(per_mille) => coupon::Benefit::PerMilleOff(*per_mille),
        Benefit::FreeShipping => coupon::Benefit::FreeShipping,
        Benefit::Gift(gift) => coupon::Benefit::Gift(gift.clone()),
    };
    coupon::Offer {
        benefit,
        minimum: offer.minimum.as_ref().map(contract_money),
        valid_from: offer.valid_from.unsigned_abs(),
        valid_until: offer.valid_until.unsigned_abs(),
    }
}

fn contract_money(money: &Money) -> types::Money {
    types::Money { amount: money.amount, currency: money.currency.clone() }
}
