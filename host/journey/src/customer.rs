//! What the host knows about a customer, and what happens to one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A person that journeys reach.
///
/// Expressions and templates see `id`, `tags` and the attributes, each as `customer.<name>`; `id` and `tags` win over
/// attributes of the same name. They never see identities or consents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// The host's identifier.
    pub id: String,
    /// Name, locale and whatever else a deployment keeps about a customer. `locale` chooses a template's language.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// Tags carried at present.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Address or foreign identifier by its kind, such as `email` or `phone`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<String, String>,
    /// Kinds of address that the customer agreed to, by purpose (`marketing`, `transactional`). [`permit`] says how
    /// an absent purpose is read.
    ///
    /// [`permit`]: crate::permit
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub consents: BTreeMap<String, BTreeSet<String>>,
}

/// Something that happened to a customer.
///
/// Expressions see its properties as `event.<name>`, and `event.at`, which wins over a property of that name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unique together with the source.
    pub id: String,
    /// Who reported it.
    pub source: String,
    /// Dotted name such as `order.paid`.
    pub name: String,
    /// The customer's identifier.
    pub customer: String,
    /// When it happened, in Unix milliseconds.
    pub at: i64,
    /// The journey's subscription to a trigger source that it answers; absent for an event that is for every journey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
    /// Whatever else is known about it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Map<String, Value>,
}

/// A coupon that a customer holds or held.
///
/// Expressions see all its fields but `key`, and `usable`: still granted, already valid and not yet over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coupon {
    /// The effect key that it was issued under.
    pub key: String,
    /// What the customer enters.
    pub code: String,
    /// Campaign that it belongs to.
    pub campaign: String,
    /// Connection that issued it.
    pub connection: String,
    /// Whether it can still be used, time aside.
    pub state: CouponState,
    /// Unix milliseconds.
    pub valid_from: i64,
    /// Unix milliseconds; the coupon is over at this instant.
    pub valid_until: i64,
}

impl Coupon {
    /// Whether the customer can use it at this time.
    #[must_use]
    pub fn usable(&self, now: i64) -> bool {
        self.state == CouponState::Usable && self.valid_from <= now && now < self.valid_until
    }
}

/// Whether a coupon can still be used, time aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CouponState {
    /// Granted and neither used nor taken back.
    Usable,
    /// The customer used it.
    Used,
    /// Taken back.
    Revoked,
}

impl CouponState {
    /// The word that storage and expressions use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Used => "used",
            Self::Revoked => "revoked",
        }
    }
}
