//! JSON as a type, with faults that say where they are.

use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

/// What is wrong with a JSON text.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    /// JSON Pointer (RFC 6901) to the part that is wrong; empty for the whole.
    pub(crate) path: String,
    pub(crate) message: String,
}

pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Fault> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| Fault { path: pointer(error.path()), message: message(error.inner()) })?;
    deserializer.end().map_err(|error| Fault { path: String::new(), message: message(&error) })?;
    Ok(value)
}

/// The place in the text that the library appends means little to a reader who knows the path.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) if error.is_data() => message.to_owned(),
        _ => text,
    }
}

fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        let name = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            // The variant of an enum is no level of its own in JSON that the reader could look up.
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&name);
    }
    pointer
}
