//! Guessing what was meant.

/// `did you mean …?`, if one of the words is near enough.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, known).map(|near| format!("did you mean `{near}`?"))
}

/// `known here: …`
pub(crate) fn one_of<S: AsRef<str>>(known: &[S]) -> String {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    if known.is_empty() {
        "none is known here".to_owned()
    } else {
        format!("known here: {}", known.join(", "))
    }
}

/// The known word with the fewest edits to it, if these are at most a third of its length.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A word longer than any name is no slip of the finger, and the comparison is quadratic.
    let length = word.chars().count();
    if length > 64 {
        return None;
    }
    let allowed = length / 3;
    let distances = known.into_iter().map(|candidate| (distance(word, candidate), candidate));
    distances
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, near)| near)
}

/// Edits between two words: insertions, deletions, replacements, and swaps of neighbours. Case does not count.
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.to_lowercase().chars().collect();
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let mut edits = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && one[i - 1] == *b && *a == other[j - 1] {
                edits = edits.min(before_last[j - 1] + 1);
            }
            row.push(edits);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        for (word, expected) in [
            ("wehn", Some("when")),
            ("When", Some("when")),
            ("evnet", Some("event")),
            ("keys", Some("key")),
            ("zzz", None),
            ("kxy", Some("key")),
            ("ke", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, ["event", "when", "key", "again"]), expected, "{word}");
        }
    }
}
