//! JSON and the host's own records as CEL values, and back.

use std::collections::HashMap;
use std::sync::Arc;

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, MAP_TYPE,
    Type,
};
use cel::common::value::{CowVal, Val};
use serde_json::{Map, Value};

use crate::customer::{Coupon, Customer, Event};

/// Something with named fields that are converted only when they are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Record<'a> {
    Customer(&'a Customer),
    Event(&'a Event),
    Object(&'a Map<String, Value>),
    /// A coupon, seen at this time.
    Coupon(&'a Coupon, i64),
}

impl<'a> Record<'a> {
    fn field(&self, name: &str) -> Option<Box<dyn Val + 'a>> {
        match self {
            Self::Customer(customer) => match name {
                "id" => Some(text(&customer.id)),
                "tags" => {
                    let tags = customer.tags.iter().map(|tag| text(tag));
                    Some(Box::new(CelList::from(tags.collect::<Vec<_>>())))
                }
                _ => customer.attributes.get(name).map(from_json),
            },
            Self::Event(event) => match name {
                "at" => Some(Box::new(CelInt::from(event.at))),
                _ => event.properties.get(name).map(from_json),
            },
            Self::Object(object) => object.get(name).map(from_json),
            Self::Coupon(coupon, now) => Some(match name {
                "code" => text(&coupon.code),
                "campaign" => text(&coupon.campaign),
                "connection" => text(&coupon.connection),
                "state" => text(coupon.state.as_str()),
                "valid_from" => Box::new(CelInt::from(coupon.valid_from)),
                "valid_until" => Box::new(CelInt::from(coupon.valid_until)),
                "usable" => Box::new(CelBool::from(coupon.usable(*now))),
                _ => return None,
            }),
        }
    }
}

impl Val for Record<'_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl Indexer for Record<'_> {
    fn get<'b, 'v>(&'b self, index: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let name = index.downcast_ref::<CelString<'_>>().ok_or_else(|| {
            ExecutionError::UnexpectedType {
                got: index.get_type().name().to_owned(),
                want: "string".to_owned(),
            }
        })?;
        let field = self.field(name.inner());
        field
            .map(CowVal::Owned)
            .ok_or_else(|| ExecutionError::NoSuchKey(Arc::new(name.inner().to_owned())))
    }

    fn steal<'v>(self: Box<Self>, index: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(index).map(CowVal::into_owned)
    }
}

impl Container for Record<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(value
            .downcast_ref::<CelString<'_>>()
            .is_some_and(|name| self.field(name.inner()).is_some()))
    }
}

fn text<'a>(text: &'a str) -> Box<dyn Val + 'a> {
    Box::new(CelString::from(text))
}

/// A JSON value as a CEL value that borrows its texts.
fn from_json<'a>(value: &'a Value) -> Box<dyn Val + 'a> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(truth) => Box::new(CelBool::from(*truth)),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Box::new(CelInt::from(int)),
            (None, Some(uint)) => Box::new(CelUInt::from(uint)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::String(string) => text(string),
        Value::Array(items) => {
            Box::new(CelList::from(items.iter().map(from_json).collect::<Vec<_>>()))
        }
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (CelMapKey::from(name.as_str()), from_json(value)));
            Box::new(CelMap::from(fields.collect::<HashMap<_, _>>()))
        }
    }
}

/// A CEL value as JSON; none for values that JSON has no word for.
pub(super) fn to_json(value: &dyn Val) -> Option<Value> {
    if let Some(string) = value.downcast_ref::<CelString<'_>>() {
        return Some(Value::from(string.inner()));
    }
    if let Some(int) = value.downcast_ref::<CelInt>() {
        return Some(Value::from(*int.inner()));
    }
    if let Some(truth) = value.downcast_ref::<CelBool>() {
        return Some(Value::from(*truth.inner()));
    }
    if let Some(double) = value.downcast_ref::<CelDouble>() {
        return serde_json::Number::from_f64(*double.inner()).map(Value::Number);
    }
    if let Some(uint) = value.downcast_ref::<CelUInt>() {
        return Some(Value::from(*uint.inner()));
    }
    if value.downcast_ref::<CelNull>().is_some() {
        return Some(Value::Null);
    }
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        return list
            .inner()
            .iter()
            .map(|item| to_json(item.as_ref()))
            .collect::<Option<Vec<_>>>()
            .map(Value::Array);
    }
    let fields = value.downcast_ref::<CelMap<'_>>()?.inner().iter().map(|(key, value)| match key {
        CelMapKey::String(name) => Some((name.inner().to_owned(), to_json(value.as_ref())?)),
        _ => None,
    });
    fields.collect::<Option<Map<_, _>>>().map(Value::Object)
}
