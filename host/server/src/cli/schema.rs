//! `waystation schema`.

use clap::{Args, ValueEnum};
use waystation_journey::{JOURNEY_SCHEMA, POLICY_SCHEMA, SEGMENT_SCHEMA};

use super::output;

/// Print the JSON Schema of a kind of file, by which editors complete and check what is typed.
#[derive(Args)]
pub(crate) struct Schema {
    /// The kind of file.
    #[arg(value_enum, default_value_t = Kind::Journey)]
    of: Kind,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// A journey.
    Journey,
    /// A segment of customers.
    Segment,
    /// The workspace's policy.
    Policy,
}

impl Schema {
    pub(crate) fn run(self) {
        let text = match self.of {
            Kind::Journey => JOURNEY_SCHEMA,
            Kind::Segment => SEGMENT_SCHEMA,
            Kind::Policy => POLICY_SCHEMA,
        };
        output::line(text.trim_end());
    }
}
