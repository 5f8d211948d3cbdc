//! The workspace's segments, compiled.

use std::sync::Arc;

use waystation_journey::{Segments, check_segment};
use waystation_store::records::SegmentRow;

use crate::engine::Engine;
use crate::error::EngineError;

/// Compiles what the store holds. A segment may ask for one that comes after it.
pub(crate) fn load(rows: Vec<SegmentRow>) -> Result<Segments, EngineError> {
    let mut segments = Segments::default();
    let mut left = rows;
    while !left.is_empty() {
        let mut waiting = Vec::new();
        let mut why = String::new();
        let before = left.len();
        for row in left {
            let checked = check_segment(&row.source, &segments);
            match checked.segment.map(|segment| segments.with(segment)) {
                Some(Ok(next)) => segments = next,
                Some(Err(message)) => {
                    why = message;
                    waiting.push(row);
                }
                None => {
                    why = checked.problems.first().map(ToString::to_string).unwrap_or_default();
                    waiting.push(row);
                }
            }
        }
        if waiting.len() == before {
            let names: Vec<&str> = waiting.iter().map(|row| row.name.as_str()).collect();
            return Err(EngineError::Invalid(format!(
                "segments in the database are not understood by this server: {} ({why}); start the release that they were \
                 applied with, or a newer one",
                names.join(", ")
            )));
        }
        left = waiting;
    }
    Ok(segments)
}

impl Engine {
    /// The workspace's segments.
    #[must_use]
    pub fn segments(&self) -> Arc<Segments> {
        Arc::clone(&self.core.programs.picture().segments)
    }

    /// Puts other segments in place of those in use.
    pub fn use_segments(&self, segments: Segments) {
        self.core.programs.put_segments(segments);
    }

    /// A live journey whose conditions ask for a segment, if there is one.
    #[must_use]
    pub fn journey_asking_for(&self, segment: &str) -> Option<String> {
        let picture = self.core.programs.picture();
        picture.asking_for(segment).next().map(|program| program.name().to_owned())
    }
}
