//! What templates see of a customer.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::Value;
use serde_json::Map;

use crate::customer::{Coupon, Customer};
use crate::state::Grant;

/// What a rendering may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) customer: &'a Customer,
    pub(crate) entry: &'a Map<String, serde_json::Value>,
    pub(crate) results: &'a Map<String, serde_json::Value>,
    pub(crate) coupons: &'a [Coupon],
    pub(crate) now: i64,
    pub(crate) grant: Option<&'a Grant>,
}

/// What a content's pieces read.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    pub(crate) customer: Fields,
    pub(crate) entry: Fields,
    pub(crate) steps: Fields,
    pub(crate) coupons: bool,
    pub(crate) now: bool,
    pub(crate) coupon: bool,
    pub(crate) unsubscribe_url: bool,
}

/// Which fields of a variable are read.
#[derive(Debug)]
pub(crate) enum Fields {
    Only(BTreeSet<String>),
    All,
}

impl Default for Fields {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl Fields {
    /// Notes that a field, or everything, is read.
    pub(crate) fn note(&mut self, field: Option<&str>) {
        match (self, field) {
            (Self::Only(fields), Some(field)) => {
                fields.insert(field.to_owned());
            }
            (all, None) => *all = Self::All,
            (Self::All, Some(_)) => {}
        }
    }

    fn pick(
        &self,
        map: &Map<String, serde_json::Value>,
        own: impl Fn(&str) -> Option<Value>,
    ) -> Value {
        let find = |name: &str| own(name).or_else(|| map.get(name).map(from_json));
        match self {
            Self::Only(names) => Value::from_pairs(
                names.iter().filter_map(|name| Some((name.as_str(), find(name)?))),
            ),
            Self::All => {
                let names =
                    map.keys().map(String::as_str).chain(["id", "tags"]).collect::<BTreeSet<_>>();
                Value::from_pairs(names.into_iter().filter_map(|name| Some((name, find(name)?))))
            }
        }
    }
}

/// Only what the pieces read is converted, as a customer may have many attributes.
pub(super) fn build(
    needs: &Needs,
    facts: Facts<'_>,
    unsubscribe_url: impl FnOnce() -> Option<String>,
) -> Value {
    let mut context: BTreeMap<&str, Value> = BTreeMap::new();
    let Facts { customer, entry, results, coupons, now, grant } = facts;
    context.insert(
        "customer",
        needs.customer.pick(&customer.attributes, |name| match name {
            "id" => Some(Value::from(customer.id.as_str())),
            "tags" => Some(customer.tags.iter().map(String::as_str).map(Value::from).collect()),
            _ => None,
        }),
    );
    context.insert("entry", needs.entry.pick(entry, |_| None));
    context.insert("steps", needs.steps.pick(results, |_| None));
    if needs.coupons {
        context.insert("coupons", coupons.iter().map(|coupon| coupon_value(coupon, now)).collect());
    }
    if needs.now {
        context.insert("now", Value::from(now));
    }
    if let Some(grant) = grant.filter(|_| needs.coupon) {
        let fields = [
            ("code", Value::from(grant.code.as_str())),
            ("valid_until", Value::from(grant.valid_until)),
        ];
        context.insert("coupon", Value::from_pairs(fields));
    }
    if let Some(url) = needs.unsubscribe_url.then(unsubscribe_url).flatten() {
        context.insert("unsubscribe_url", Value::from(url));
    }
    Value::from_pairs(context)
}

fn from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(truth) => Value::from(*truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Value::from(int),
            (None, Some(uint)) => Value::from(uint),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => items.iter().map(from_json).collect(),
        serde_json::Value::Object(fields) => {
            Value::from_pairs(fields.iter().map(|(name, value)| (name.as_str(), from_json(value))))
        }
    }
}

fn coupon_value(coupon: &Coupon, now: i64) -> Value {
    Value::from_pairs([
        ("code", Value::from(coupon.code.as_str())),
        ("campaign", Value::from(coupon.campaign.as_str())),
        ("connection", Value::from(coupon.connection.as_str())),
        ("state", Value::from(coupon.state.as_str())),
        ("valid_from", Value::from(coupon.valid_from)),
        ("valid_until", Value::from(coupon.valid_until)),
        ("usable", Value::from(coupon.usable(now))),
    ])
}
