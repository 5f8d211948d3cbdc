//! Answers kept for a while in the connection's store.
//!
//! There are so many places and no more, and each question has one of them: a new answer takes the place of an old one,
//! so nothing has to be tidied up. The question is kept with the answer, because two may have the same place.
//! The cache never fails: what cannot be read is asked for, what cannot be kept is not.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use waystation_sdk::{Problem, log, store};

/// How many answers are kept at most.
const PLACES: u64 = 256;

/// Largest entry in bytes; with [`PLACES`] it bounds the store's use to 1 MiB.
const MAX_ENTRY: usize = 4 * 1024;

/// An answer in its place.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    question: String,
    /// Unix milliseconds.
    until: u64,
    answer: Value,
}

/// The answers to questions, as far as they are kept.
pub(crate) fn find(questions: &[&str], now: u64) -> Vec<Option<Value>> {
    let places: Vec<String> = questions.iter().map(|question| place(question)).collect();
    match store::get(&places) {
        Ok(kept) => {
            let kept = kept.into_iter().chain(std::iter::repeat(None));
            questions.iter().zip(kept).map(|(question, kept)| read(&kept?, question, now)).collect()
        }
        Err(error) => {
            log::warn("kept answers cannot be read", &[("error", &format!("{error:?}"))]);
            vec![None; questions.len()]
        }
    }
}

/// Keeps answers until a time.
pub(crate) fn keep<'a>(answers: impl Iterator<Item = (&'a str, &'a Value)>, until: u64) {
    // Two answers of a batch may have the same place, too.
    let entries: BTreeMap<String, Option<Vec<u8>>> = answers
        .filter_map(|(question, answer)| {
            Some((place(question), Some(written(question, answer, until)?)))
        })
        .collect();
    if entries.is_empty() {
        return;
    }
    if let Err(error) = store::set(&entries.into_iter().collect::<Vec<_>>()) {
        log::warn("answers cannot be kept", &[("error", &format!("{error:?}"))]);
    }
}

/// What keeps the cache from working.
pub(crate) fn problem() -> Option<Problem> {
    let error = store::get(&[]).err()?;
    let message = format!("the store cannot be used ({error:?}); grant it, or use 0");
    Some(Problem::new("/cache_seconds", message))
}

fn place(question: &str) -> String {
    let mut hasher = DefaultHasher::new();
    question.hash(&mut hasher);
    format!("answer-{}", hasher.finish() % PLACES)
}

fn written(question: &str, answer: &Value, until: u64) -> Option<Vec<u8>> {
    let entry = Entry { question: question.to_owned(), until, answer: answer.clone() };
    serde_json::to_vec(&entry).ok().filter(|bytes| bytes.len() <= MAX_ENTRY)
}

fn read(kept: &[u8], question: &str, now: u64) -> Option<Value> {
    let entry: Entry = serde_json::from_slice(kept).ok()?;
    (entry.question == question && now < entry.until).then_some(entry.answer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_serves_its_question_for_its_time() {
        let kept = written("a", &json!([1]), 1_000).unwrap();
        assert_eq!(read(&kept, "a", 999), Some(json!([1])));
        assert_eq!(read(&kept, "a", 1_000), None);
        assert_eq!(read(&kept, "b", 999), None, "another question may have the same place");
        assert_eq!(read(b"{", "a", 999), None);
    }

    #[test]
    fn the_cache_is_bounded() {
        assert_eq!(written("a", &json!("x".repeat(MAX_ENTRY)), 1_000), None);
        let places: std::collections::BTreeSet<String> =
            (0..5_000).map(|number| place(&number.to_string())).collect();
        assert_eq!(places.len() as u64, PLACES);
    }
}
