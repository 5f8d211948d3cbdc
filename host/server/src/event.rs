//! What an event must look like, wherever it comes from.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use waystation_journey::Lane;
use waystation_store::records::{NewEvent, Subject};

/// Most events in one request or message.
pub(crate) const EVENTS: usize = 1000;
/// Most bytes of one event's properties.
const PROPERTIES: usize = 64 << 10;

/// Something that happened to a customer. Either `customer` or `identity` says to whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventBody {
    /// Unique among events sent by API, 1 to 128 characters; the same identifier is taken once.
    id: Option<String>,
    /// Lower case words joined by `.` and `_`, such as `cart.item_added`.
    name: Option<String>,
    /// The customer's identifier; an unknown customer is created.
    customer: Option<String>,
    /// An identity of a known customer.
    identity: Option<IdentityBody>,
    /// When it happened, in Unix milliseconds; now if absent.
    at: Option<i64>,
    /// Anything else about it, at most 64 KiB.
    #[serde(default)]
    properties: Map<String, Value>,
}

/// Something that names a customer outside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityBody {
    /// Kind such as `email`.
    kind: String,
    /// The address or identifier.
    value: String,
}

/// What an event has that does not say so itself.
pub(crate) struct Origin<'a> {
    /// Its source; a source's identifiers are taken once.
    pub(crate) source: &'a str,
    /// The identifier of an event that names none, where the source has one.
    pub(crate) id: Option<String>,
    /// When an event happened that names no time, in Unix milliseconds.
    pub(crate) at: i64,
}

/// What keeps a value from being an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EventFault {
    /// The field that is at fault; empty if it is the event as a whole.
    pub(crate) field: &'static str,
    /// What is wrong and how to mend it.
    pub(crate) message: String,
    pub(crate) kind: FaultKind,
}

/// What is wrong in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// It is not what an event looks like.
    Form,
    /// It has more bytes than are taken.
    Size,
}

impl EventFault {
    fn form(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into(), kind: FaultKind::Form }
    }
}

/// Reads an event.
pub(crate) fn event(value: Value, origin: Origin<'_>) -> Result<NewEvent, EventFault> {
    let body: EventBody =
        serde_json::from_value(value).map_err(|error| EventFault::form("", error.to_string()))?;
    let given = body.id.is_some();
    let id = body.id.or(origin.id).filter(|id| customer_id(id) || !given).ok_or_else(|| {
        EventFault::form(
            "id",
            "give the event an identifier of 1 to 128 characters: it is what keeps a repeated request from counting twice",
        )
    })?;
    let name = body.name.filter(|name| event_name(name)).ok_or_else(|| {
        EventFault::form(
            "name",
            "give the event a name of lower case words joined by `.` and `_`, such as `cart.item_added`, at most 128 characters",
        )
    })?;
    let subject = subject(body.customer, body.identity)?;
    check_size(&body.properties)?;
    Ok(NewEvent {
        source: origin.source.to_owned(),
        id,
        name,
        subject,
        at: body.at.unwrap_or(origin.at),
        subscription: None,
        lane: Lane::GENERAL,
        properties: body.properties,
    })
}

fn subject(
    customer: Option<String>,
    identity: Option<IdentityBody>,
) -> Result<Subject, EventFault> {
    match (customer, identity) {
        (Some(customer), None) if customer_id(&customer) => Ok(Subject::Customer(customer)),
        (Some(_), None) => Err(EventFault::form("customer", CUSTOMER_ID)),
        (None, Some(IdentityBody { kind, value })) => {
            if kind.contains('\0') || value.contains('\0') {
                let message = "an identity has no control character U+0000; leave it out";
                return Err(EventFault::form("identity", message));
            }
            Ok(Subject::Identity { kind, value })
        }
        _ => Err(EventFault::form(
            "customer",
            "say whom it is about: either `customer` or `identity`",
        )),
    }
}

/// Whether properties are small enough.
pub(crate) fn check_size(properties: &Map<String, Value>) -> Result<(), EventFault> {
    let size: usize =
        properties.iter().map(|(name, value)| name.len() + value.to_string().len()).sum();
    if size <= PROPERTIES {
        return Ok(());
    }
    let message = format!("the properties have {size} bytes, more than the {PROPERTIES} allowed");
    Err(EventFault { field: "properties", message, kind: FaultKind::Size })
}

fn event_name(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    name.len() <= 128 && name.split(['.', '_']).all(word)
}

/// What a customer's identifier must look like.
pub(crate) const CUSTOMER_ID: &str =
    "a customer's identifier has 1 to 128 characters and no control characters";

/// Whether it is a customer's identifier.
pub(crate) fn customer_id(id: &str) -> bool {
    (1..=128).contains(&id.chars().count()) && !id.chars().any(char::is_control)
}
