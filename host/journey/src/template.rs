//! Message templates.

/// All templates of a journey.
#[derive(Debug)]
pub(crate) struct Templates {
    pub(crate) environment: minijinja::Environment<'static>,
}
