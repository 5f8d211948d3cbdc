//! Text that both databases can store.

/// JSON in which U+FFFD stands in the place of each U+0000, which PostgreSQL can neither store nor read within JSON: what one
/// plugin or caller sends must not fail the batch that it is in.
pub(crate) fn storable(json: String) -> String {
    const NUL: &str = r"\u0000";
    if !json.contains(NUL) {
        return json;
    }
    let mut storable = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(place) = rest.find(NUL) {
        let (before, after) = rest.split_at(place);
        storable.push_str(before);
        // Behind an odd number of backslashes this one is the second half of an escape, and the rest mere text.
        let escaped = before.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
        storable.push_str(if escaped { NUL } else { "\u{fffd}" });
        rest = &after[NUL.len()..];
    }
    storable.push_str(rest);
    storable
}
