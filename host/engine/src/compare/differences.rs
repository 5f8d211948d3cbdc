//! What is different between two performances of a call.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use waystation_sandbox::{Exchange, Request};

use super::Strict;
use super::facts::changes;

/// A kind of difference, and what stands on either side.
pub(super) type Difference = (String, Value, Value);

/// Compares answers, item by item where there are several.
pub(super) fn outcomes(
    function: &str,
    current: &Value,
    candidate: &Value,
    strict: Strict,
) -> Vec<Difference> {
    let pairs: Vec<(&Value, &Value)> = match (current, candidate) {
        (Value::Array(was), Value::Array(is)) if was.len() == is.len() => {
            was.iter().zip(is).collect()
        }
        _ => vec![(current, candidate)],
    };
    pairs
        .into_iter()
        .filter(|(was, is)| was != is)
        .filter_map(|(was, is)| {
            let (before, after) = (ending(was), ending(is));
            let kind = if before != after {
                format!("{function}: {before} -> {after}")
            } else if strict == Strict::Whole {
                let mut found = Vec::new();
                changes("", was, is, &mut found);
                let places: Vec<&str> = found.iter().map(|(place, ..)| plain(place)).collect();
                format!("{function}: {before}, but with another {}", listed(&places))
            } else {
                return None;
            };
            Some((kind, was.clone(), is.clone()))
        })
        .collect()
}

/// The place within the case that an answer is of.
fn plain(place: &str) -> &str {
    let place = place.strip_prefix("Ok").or_else(|| place.strip_prefix("Err")).unwrap_or(place);
    let place = place.trim_start_matches('/');
    match place.split_once('/') {
        Some((case, rest)) if case.starts_with(|first: char| first.is_ascii_uppercase()) => rest,
        _ if place.starts_with(|first: char| first.is_ascii_uppercase()) => "detail",
        _ if place.is_empty() => "result",
        _ => place,
    }
}

fn listed(places: &[&str]) -> String {
    const LISTED: usize = 5;
    let mut text = places.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
    if places.len() > LISTED {
        text += ", …";
    }
    text
}

/// How an answer ends, in words.
fn ending(answer: &Value) -> String {
    match answer {
        Value::Null => "none".to_owned(),
        Value::String(case) => case.to_lowercase(),
        Value::Object(object) if object.len() == 1 => match object.iter().next() {
            Some((case, inner)) if case == "Ok" => ok(inner),
            Some((case, inner)) if case == "Err" => match inner {
                // A plugin's own words, or those of the host about a call without an answer.
                Value::String(text) if text != "Exhausted" => "no answer".to_owned(),
                Value::Array(_) => "objections".to_owned(),
                other => ending(other),
            },
            Some((case, inner)) => match inner.get("reason").and_then(Value::as_str) {
                Some(reason) => format!("{} ({})", case.to_lowercase(), reason.to_lowercase()),
                None => case.to_lowercase(),
            },
            None => "done".to_owned(),
        },
        _ => "done".to_owned(),
    }
}

/// What was received is told apart by the response's status and the number of events and reports.
fn ok(answer: &Value) -> String {
    // A check that was answered, well or not.
    if answer.get("Ok").or_else(|| answer.get("Err")).is_some() {
        return ending(answer);
    }
    let count = |name: &str| answer.get(name).and_then(Value::as_array).map_or(0, Vec::len);
    match answer.get("response").and_then(|response| response.get("status")) {
        Some(status) => {
            format!("{status} with {} events and {} reports", count("events"), count("reports"))
        }
        None if answer.get("next_at").is_some() => format!("{} events", count("events")),
        None if answer.is_null() => "done".to_owned(),
        None => "done with a result".to_owned(),
    }
}

/// Compares what was asked of the host, without regard to order.
pub(super) fn requests(current: &[Request], candidate: &[Request]) -> Vec<Difference> {
    let mut was: Vec<Option<&Exchange>> = current.iter().map(|one| Some(&one.exchange)).collect();
    let mut is: Vec<Option<&Exchange>> = candidate.iter().map(|one| Some(&one.exchange)).collect();
    let mut found = Vec::new();
    // The same; else to the same place; else, where the place itself may be what changed, by the same function.
    let alike: [fn(&Exchange) -> String; 3] = [
        |one| format!("{} {}", one.function, one.request),
        |one| format!("{} {}", one.function, destination(one)),
        |one| match one.function.as_str() {
            "http.send" | "secrets.hmac" => one.function.clone(),
            _ => format!("{} {}", one.function, destination(one)),
        },
    ];
    for alike in alike {
        for (before, after) in pair(&mut was, &mut is, alike) {
            if before.request != after.request {
                found.push(changed(before, after));
            }
        }
    }
    for one in was.into_iter().flatten() {
        found.push((format!("{}: missing", named(one)), one.request.clone(), Value::Null));
    }
    for one in is.into_iter().flatten() {
        found.push((format!("{}: additional", named(one)), Value::Null, one.request.clone()));
    }
    found
}

/// Takes out what is alike on both sides, in order.
fn pair<'a>(
    was: &mut [Option<&'a Exchange>],
    is: &mut [Option<&'a Exchange>],
    alike: fn(&Exchange) -> String,
) -> Vec<(&'a Exchange, &'a Exchange)> {
    let mut waiting: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, one) in is.iter().enumerate().rev() {
        if let Some(one) = one {
            waiting.entry(alike(one)).or_default().push(index);
        }
    }
    let mut pairs = Vec::new();
    for slot in was.iter_mut() {
        let Some(before) = *slot else { continue };
        let Some(index) = waiting.get_mut(&alike(before)).and_then(Vec::pop) else { continue };
        if let Some(after) = is[index].take() {
            *slot = None;
            pairs.push((before, after));
        }
    }
    pairs
}

/// Where a request goes: method and address, or the first thing that it names.
fn destination(one: &Exchange) -> String {
    let text = |value: Option<&Value>| value.map(ToString::to_string).unwrap_or_default();
    let request = &one.request;
    match one.function.as_str() {
        "http.send" => {
            let url = request.get("url").and_then(Value::as_str).unwrap_or_default();
            let place = url.split(['?', '#']).next().unwrap_or_default();
            format!("{} {place}", request.get("method").and_then(Value::as_str).unwrap_or_default())
        }
        "mail.submit" => text(request.get("recipients")),
        "secrets.hmac" => text(request.get("key")),
        "codes.take" | "codes.give-back" => request.to_string(),
        _ => text(request.get(0)),
    }
}

/// A request's kind: function, and for HTTP the method and origin.
fn named(one: &Exchange) -> String {
    if one.function != "http.send" {
        return one.function.clone();
    }
    let destination = destination(one);
    // `POST https://api.example.com/v1/send` up to the third slash.
    let origin = destination.match_indices('/').nth(2).map_or(destination.len(), |(at, _)| at);
    format!("http.send {}", &destination[..origin])
}

/// What differs between two requests, and only that.
fn changed(before: &Exchange, after: &Exchange) -> Difference {
    let (Value::Object(was), Value::Object(is)) = (&before.request, &after.request) else {
        let kind = format!("{}: changed", named(before));
        return (kind, before.request.clone(), after.request.clone());
    };
    let (mut old, mut new, mut parts) = (Map::new(), Map::new(), Vec::new());
    for name in was.keys().chain(is.keys().filter(|name| !was.contains_key(*name))) {
        let (a, b) =
            (was.get(name).cloned().unwrap_or_default(), is.get(name).cloned().unwrap_or_default());
        if a == b {
            continue;
        }
        if name == "headers" {
            let (a, b, names) = headers(&a, &b);
            parts.extend(names.iter().map(|name| format!("header {name}")));
            old.insert(name.clone(), a);
            new.insert(name.clone(), b);
        } else {
            parts.push(name.clone());
            old.insert(name.clone(), a);
            new.insert(name.clone(), b);
        }
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let kind = format!("{}: changed {}", named(before), listed(&parts));
    (kind, Value::Object(old), Value::Object(new))
}

/// The fields that differ, on either side, and their names; the order, where only that does.
fn headers(before: &Value, after: &Value) -> (Value, Value, Vec<String>) {
    let fields = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (was, is) = (fields(before), fields(after));
    let only = |these: &[Value], those: &[Value]| -> Vec<Value> {
        these.iter().filter(|field| !those.contains(field)).cloned().collect()
    };
    let (old, new) = (only(&was, &is), only(&is, &was));
    if old.is_empty() && new.is_empty() {
        return (before.clone(), after.clone(), vec!["order or number".to_owned()]);
    }
    let mut names: Vec<String> = old
        .iter()
        .chain(&new)
        .filter_map(|field| field.get(0)?.as_str().map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    (json!(old), json!(new), names)
}

#[cfg(test)]
#[path = "differences_tests.rs"]
mod tests;
