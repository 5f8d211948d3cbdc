//! The workspace's segments, compiled.

use std::sync::Arc;

use waystation_journey::{Segments, check_segments};
use waystation_store::records::SegmentRow;

use crate::engine::Engine;
use crate::error::EngineError;

/// Compiles what the store holds. A segment may ask for one that comes after it.
pub(crate) fn load(rows: Vec<SegmentRow>) -> Result<Segments, EngineError> {
    let files = rows.into_iter().map(|row| (row.name, row.source)).collect();
    let (segments, faulty) = check_segments(files);
    let Some((_, problems)) = faulty.last() else { return Ok(segments) };
    let why = problems.first().map(ToString::to_string).unwrap_or_default();
    let names: Vec<&str> = faulty.iter().map(|(name, _)| name.as_str()).collect();
    Err(EngineError::Invalid(format!(
        "segments in the database are not understood by this server: {} ({why}); start the release that they were \
         applied with, or a newer one",
        names.join(", ")
    )))
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
