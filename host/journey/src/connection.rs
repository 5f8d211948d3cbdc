//! What journeys need to know about the connections that they name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Connections by name: those that a journey may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Connections(pub BTreeMap<String, ConnectionFacts>);

impl Connections {
    /// The connection of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ConnectionFacts> {
        self.0.get(name)
    }
}

/// What one connection can do. A plugin may export several kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionFacts {
    /// Present if it is a channel.
    pub channel: Option<ChannelFacts>,
    /// Whether it issues coupons.
    pub coupon: bool,
    /// Whether it is an action.
    pub action: bool,
    /// JSON Schema of the action's parameters; absent if it is not known.
    pub parameters: Option<Value>,
    /// Whether it is a trigger source.
    pub trigger_source: bool,
    /// JSON Schema of a subscription's parameters; absent if it is not known.
    pub subscription: Option<Value>,
}

/// What a channel takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelFacts {
    /// Kind of address that it sends to, such as `email` or `phone`.
    pub address: String,
    /// Kinds of content that it takes, the preferred one first.
    pub contents: Vec<ContentKind>,
}

/// A kind of content, named as in the plugin contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentKind {
    /// Plain text.
    Text,
    /// Subject with HTML, text or both.
    Email,
    /// Title and body with an optional picture and link.
    Card,
    /// Registered with the provider and filled in there.
    Template,
    /// For a platform account.
    Post,
}

impl ContentKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Text, Self::Email, Self::Card, Self::Template, Self::Post];

    /// The contract's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Email => "email",
            Self::Card => "card",
            Self::Template => "template",
            Self::Post => "post",
        }
    }

    /// The kind that the contract calls by this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
