//! What every plugin answers.

use super::{bounds, told};
use crate::{Connection, contract::plugin::Problem, error::CallError, tape::Tape};

const PROBLEMS_MAX: usize = 100;

impl Connection {
    /// Asks the plugin what is wrong with its configuration and secrets.
    ///
    /// # Errors
    /// [`CallError`] if the plugin gave no answer; the problems it found are the inner error.
    pub async fn check(&self) -> Result<Result<(), Vec<Problem>>, CallError> {
        let tape = self.tape();
        let answer = self.spanned("plugin.check", 0, self.check_on(&tape)).await;
        self.keep(tape, "plugin.check", &(), &told(&answer));
        answer
    }

    pub(crate) async fn check_on(
        &self,
        tape: &Tape,
    ) -> Result<Result<(), Vec<Problem>>, CallError> {
        let mut live = self.open(tape).await?;
        let indices = &self.release().exports.plugin;
        let plugin = live.load(|store, instance| indices.load(store, instance))?;
        let deadline = live.begin();
        let answer = deadline.bound(plugin.call_check(&mut live.store)).await;
        live.close(answer).map(|checked| checked.map_err(bound))
    }
}

fn bound(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.truncate(PROBLEMS_MAX);
    for problem in &mut problems {
        bounds::detail(&mut problem.path);
        bounds::detail(&mut problem.message);
    }
    problems
}
