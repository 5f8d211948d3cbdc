//! The plugin's functions, one file for each kind, and the bounds that the contract sets to their answers.

mod action;
mod bounds;
mod channel;
mod coupon;
mod plugin;
mod trigger_source;

use crate::error::CallError;

/// Most items of one call.
const BATCH_MAX: usize = 1_000;

/// A batch is refused before anything happens when it is larger than any plugin may take.
fn batch(items: usize) -> Result<(), CallError> {
    if items <= BATCH_MAX {
        return Ok(());
    }
    Err(CallError::Start(format!(
        "a batch of {items} is more than the {BATCH_MAX} that one call takes"
    )))
}

/// An answer as it is recorded: an error is its text.
fn told<T>(answer: &Result<T, CallError>) -> Result<&T, String> {
    answer.as_ref().map_err(ToString::to_string)
}

/// Holds the number of answers to the number of questions.
fn one_for_each<T>(questions: usize, answers: Vec<T>) -> Result<Vec<T>, CallError> {
    if answers.len() == questions {
        return Ok(answers);
    }
    Err(CallError::Answer(format!(
        "it gave {} answers to {questions} items; each item needs one",
        answers.len()
    )))
}
