//! Actions do or compute something for one step of a journey: a recommendation, a row in a CRM, a score.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::values::{WHEN_MENDED, milliseconds};
use crate::{Failure, Plugin};

pub use crate::bindings::action::exports::waystation::plugin::action::{Call, Traits};

/// A plugin that does or computes something.
pub trait Action: Plugin {
    /// What the action can do. Must always give the same answer for one configuration.
    fn traits(&self) -> Traits;

    /// Runs calls: one answer for each, in order. Override it where many can be done at once; otherwise it is
    /// [`run_one`](Action::run_one), one after the other.
    fn run(&self, calls: Vec<Call>) -> Vec<Result<Value, Failure>> {
        calls.into_iter().map(|call| self.run_one(call)).collect()
    }

    /// Runs one call. The value, at most 64 KiB as JSON, is what the journey reads. An action that overrides
    /// [`run`](Action::run) has no need of it.
    ///
    /// # Errors
    /// What became of the call instead.
    fn run_one(&self, call: Call) -> Result<Value, Failure> {
        Err(Failure::deferred(
            WHEN_MENDED,
            format!("{}: the plugin implements neither run nor run_one", call.key),
        ))
    }
}

impl Call {
    /// The parameters as a type.
    ///
    /// # Errors
    /// They are not of this shape: refused, because they will not change.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.parameters)
            .map_err(|error| Failure::refused(format!("the parameters: {error}")))
    }
}

impl Traits {
    /// An action whose second run with the same key does again what the first did. At most 100 calls in one batch.
    #[must_use]
    pub fn with_effect() -> Self {
        Traits {
            parameters_schema: String::new(),
            max_batch: 100,
            dedupe_window: None,
            extras: Vec::new(),
        }
    }

    /// An action that changes nothing, so that running it again is always safe. At most 100 calls in one batch.
    ///
    /// ```
    /// use waystation_sdk::action::Traits;
    ///
    /// assert_eq!(Traits::without_effect().dedupe_window, Some(u64::MAX));
    /// ```
    #[must_use]
    pub fn without_effect() -> Self {
        Traits::with_effect().dedupes_for(Duration::MAX)
    }

    /// A second call with the same key does nothing more for so long after the first attempt.
    #[must_use]
    pub fn dedupes_for(mut self, window: Duration) -> Self {
        self.dedupe_window = Some(milliseconds(window));
        self
    }

    /// Most calls in one batch, 1 .. 1,000.
    #[must_use]
    pub fn max_batch(mut self, calls: u32) -> Self {
        self.max_batch = calls;
        self
    }

    /// JSON Schema (draft 2020-12) of a call's parameters, at most 64 KiB.
    #[must_use]
    pub fn parameters_schema(mut self, schema: impl Into<String>) -> Self {
        self.parameters_schema = schema.into();
        self
    }
}
