//! How far the polls have come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use waystation_sdk::trigger_source::Subscription;

/// Handed from one poll to the next.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// For each subscription until when everything due was given, in Unix milliseconds.
    pub(crate) done: BTreeMap<String, i64>,
    /// The search under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sweep: Option<Sweep>,
}

/// A search through the customers that one poll does not end.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sweep {
    pub(crate) subscription: String,
    /// Tells the parameters that it began with from others.
    pub(crate) of: String,
    /// What is due until then is given.
    pub(crate) until: i64,
    /// Where the next part starts.
    pub(crate) after: Option<String>,
}

impl Cursor {
    /// Reads a cursor and makes it one of these subscriptions: what a new one asks for is due from now on.
    pub(crate) fn read(
        text: Option<&str>,
        subscriptions: &[Subscription],
        now: i64,
    ) -> Result<Self, String> {
        let mut cursor: Self = match text {
            None => Self::default(),
            Some(text) => serde_json::from_str(text)
                .map_err(|error| format!("the cursor cannot be read: {error}"))?,
        };
        let asked = |id: &String| subscriptions.iter().any(|one| one.id == *id);
        cursor.done.retain(|id, _| asked(id));
        cursor.sweep = cursor.sweep.filter(|sweep| asked(&sweep.subscription));
        for subscription in subscriptions {
            cursor.done.entry(subscription.id.clone()).or_insert(now);
        }
        Ok(cursor)
    }
}
