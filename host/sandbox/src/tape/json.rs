//! Records as JSON. Bytes are text where they are UTF-8, else base64 in an object, so that people can read recordings and
//! what stands in the bytes can be found.

use std::io;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Bytes that are handed over for themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        blob(&self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        bytes(&value).map(Self).ok_or_else(|| serde::de::Error::custom("not text or base64"))
    }
}

const BASE64: &str = "base64";

pub(super) fn blob(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::String(text.to_owned()),
        Err(_) => Value::Object(Map::from_iter([(
            BASE64.to_owned(),
            BASE64_STANDARD.encode(bytes).into(),
        )])),
    }
}

pub(super) fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Object(object) if object.len() == 1 => {
            BASE64_STANDARD.decode(object.get(BASE64)?.as_str()?).ok()
        }
        _ => None,
    }
}

/// The record as JSON, if that takes at most so many bytes.
pub(super) fn value<T: Serialize + ?Sized>(record: &T, most: usize) -> Option<Value> {
    // Bytes are numbers until they are made readable, which takes up to four characters for each.
    let mut allowed = Allowed(most.saturating_mul(4));
    serde_json::to_writer(&mut allowed, record).ok()?;
    let mut value = serde_json::to_value(record).ok()?;
    tidy(&mut value);
    (size(&value) <= most).then_some(value)
}

/// The record that [`value`] was made of.
pub(super) fn record<T: DeserializeOwned>(mut value: Value) -> Result<T, String> {
    untidy(&mut value);
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Bytes that a value takes as text.
pub(super) fn size(value: &Value) -> usize {
    let mut counted = Counted(0);
    // Counting does not fail, and neither does a value's text.
    let _ = serde_json::to_writer(&mut counted, value);
    counted.0
}

struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0 += buffer.len();
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes so many bytes and no more.
struct Allowed(usize);

impl io::Write for Allowed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(buffer.len()).ok_or(io::ErrorKind::WriteZero)?;
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The field that holds bytes, in the records that have one: HTTP messages and envelopes of mail.
fn bytes_of(object: &mut Map<String, Value>) -> Option<&mut Value> {
    let field = match () {
        () if object.contains_key("headers") => "body",
        () if object.contains_key("recipients") => "message",
        () => return None,
    };
    object.get_mut(field)
}

fn tidy(value: &mut Value) {
    each(value, &mut |field| {
        if let Value::Array(numbers) = field {
            let byte = |number: &Value| u8::try_from(number.as_u64()?).ok();
            if let Some(bytes) = numbers.iter().map(byte).collect::<Option<Vec<u8>>>() {
                *field = blob(&bytes);
            }
        }
    });
}

fn untidy(value: &mut Value) {
    each(value, &mut |field| {
        if let Some(bytes) = bytes(field) {
            *field = bytes.into();
        }
    });
}

fn each(value: &mut Value, change: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, change)),
        Value::Object(object) => {
            if let Some(field) = bytes_of(object) {
                change(field);
            }
            object.values_mut().for_each(|item| each(item, change));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::types::HttpRequest;

    #[test]
    fn bytes_can_be_read_and_come_back() {
        for body in [b"hello".to_vec(), vec![0xff, 0, 1], Vec::new()] {
            let request = HttpRequest {
                method: "POST".to_owned(),
                url: "https://a.example/".to_owned(),
                headers: vec![("body".to_owned(), "x".to_owned())],
                body,
            };
            let noted = value(&request, 1_000).expect("it is small");
            assert!(noted["body"].is_string() || noted["body"]["base64"].is_string(), "{noted}");
            assert_eq!(record::<HttpRequest>(noted), Ok(request));
        }
    }

    #[test]
    fn what_is_larger_than_allowed_is_not_made() {
        assert_eq!(value("x", 3), Some("x".into()));
        assert_eq!(value("xy", 3), None);
        assert_eq!(value(&vec!["x"; 1_000], 100), None);
    }
}
