//! JSON Schemas (draft 2020-12) of the files that people write, for editors and other tools.
//!
//! They know the shape of a file and no more: names that must exist, expressions and templates are what a check is for.
//! Numbers stand without quotes in them, as people write them.

/// The schema of journey files.
///
/// ```
/// let schema: serde_json::Value = serde_json::from_str(waystation_journey::JOURNEY_SCHEMA).unwrap();
/// assert_eq!(schema["required"], serde_json::json!(["journey", "entry", "steps"]));
/// ```
pub const JOURNEY_SCHEMA: &str = include_str!("../schema/journey.schema.json");

/// The schema of segment files.
pub const SEGMENT_SCHEMA: &str = include_str!("../schema/segment.schema.json");

/// The schema of a workspace's policy file.
pub const POLICY_SCHEMA: &str = include_str!("../schema/policy.schema.json");
