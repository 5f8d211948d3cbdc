//! Each call's parameters are words: a host function and its arguments. The result is what it answered.

use crate::{
    Probe,
    exports::waystation::plugin::action::{Call, Failure, Guest, Traits},
    waystation::plugin::{audience, clock, codes, config, http, log, random, secrets, store},
};

impl Guest for Probe {
    fn get_traits() -> Traits {
        Traits {
            parameters_schema: String::new(),
            max_batch: 5_000,
            dedupe_window: Some(u64::MAX),
            extras: Vec::new(),
        }
    }

    fn run(calls: Vec<Call>) -> Vec<Result<String, Failure>> {
        calls.iter().map(|call| act(&call.parameters)).collect()
    }
}

fn act(parameters: &str) -> Result<String, Failure> {
    let words: Vec<&str> = parameters.split(' ').collect();
    let text = match words.as_slice() {
        ["config"] => config::get(),
        ["now"] => clock::now().to_string(),
        ["random", length] => random::bytes(number(length)).len().to_string(),
        ["draw", length] => shown(random::bytes(number(length))),
        ["log", count] => {
            (0..number(count))
                .for_each(|line| log::write(log::Level::Info, &format!("line {line}"), &[]));
            "logged".to_owned()
        }
        ["say", message @ ..] => {
            log::write(
                log::Level::Warn,
                &message.join(" "),
                &[("field".to_owned(), message.join("-"))],
            );
            "logged".to_owned()
        }
        ["placeholder", name] => shown(secrets::placeholder(name)),
        ["reveal", name] => shown(secrets::reveal(name)),
        ["hmac", algorithm, key, data] => shown(hmac(algorithm, key, data)),
        ["hmac-of", length] => shown(secrets::placeholder("key").and_then(|key| {
            let data = vec![b'x'; number(length) as usize];
            secrets::hmac(key.as_bytes(), secrets::Algorithm::Sha1, &data)
        })),
        ["take", pool, keys @ ..] => shown(codes::take(pool, &owned(keys))),
        ["give-back", pool, keys @ ..] => shown(codes::give_back(pool, &owned(keys))),
        ["many", pool, count] => {
            shown(codes::take(pool, &vec!["key".to_owned(); number(count) as usize]))
        }
        ["get", keys @ ..] => shown(store::get(&owned(keys)).map(texts)),
        ["set", entries @ ..] => {
            let entries: Vec<_> = entries.iter().map(|entry| kept(entry)).collect();
            shown(store::set(&entries))
        }
        ["swap", key, old, new] => {
            shown(store::swap(key, present(old).as_deref(), present(new).as_deref()))
        }
        ["get-long", length] => {
            shown(store::get(&["k".repeat(number(length) as usize)]).map(|values| values.len()))
        }
        ["set-long", key, value] => {
            let (key, value) = (number(key) as usize, number(value) as usize);
            shown(store::set(&[("k".repeat(key), Some(vec![b'x'; value]))]))
        }
        ["get-many", count] => {
            let keys: Vec<_> = (0..number(count)).map(|number| number.to_string()).collect();
            shown(store::get(&keys).map(|values| values.len()))
        }
        ["set-many", count] => {
            let entries: Vec<_> =
                (0..number(count)).map(|number| (number.to_string(), None)).collect();
            shown(store::set(&entries))
        }
        ["audience", limit, after, expression @ ..] => {
            members(&expression.join(" "), number(limit), after)
        }
        ["post", url, body] => shown(post(url, body)),
        ["answer", json] => return Ok((*json).to_owned()),
        ["long", length] => return Ok(format!("\"{}\"", "x".repeat(number(length) as usize))),
        _ => return Err(Failure::Refused(format!("no such order: {parameters}"))),
    };
    Ok(format!("{text:?}"))
}

/// A part of an audience: each customer with its fields, and where the next part starts.
fn members(expression: &str, limit: u32, after: &str) -> String {
    let after = (after != "-").then_some(after);
    let page = match audience::read(expression, after, limit) {
        Ok(page) => page,
        Err(error) => return format!("{error:?}"),
    };
    let mut parts: Vec<String> = Vec::new();
    for member in page.members {
        let fields = member.fields.iter().map(|(name, value)| format!(" {name}={value}"));
        parts.push(member.customer.clone() + &fields.collect::<String>());
    }
    parts.extend(page.next.map(|next| format!("next {next}")));
    parts.join(", ")
}

/// An HMAC whose key and data are words in which `{name}` stands for a secret's placeholder.
fn hmac(algorithm: &str, key: &str, data: &str) -> Result<Vec<u8>, secrets::Error> {
    let algorithm = match algorithm {
        "sha1" => secrets::Algorithm::Sha1,
        "sha256" => secrets::Algorithm::Sha256,
        _ => secrets::Algorithm::Sha512,
    };
    secrets::hmac(filled(key)?.as_bytes(), algorithm, filled(data)?.as_bytes())
}

/// Posts with the secret `key` in a header, and a signature under it in another.
fn post(url: &str, body: &str) -> Result<String, String> {
    let secret = |error| format!("{error:?}");
    let placeholder = secrets::placeholder("key").map_err(secret)?;
    let code = secrets::hmac(
        placeholder.as_bytes(),
        secrets::Algorithm::Sha256,
        format!("{}.{body}", clock::now()).as_bytes(),
    );
    let digits: String = code.map_err(secret)?.iter().map(|byte| format!("{byte:02x}")).collect();
    let request = http::HttpRequest {
        method: "POST".to_owned(),
        url: url.to_owned(),
        headers: vec![
            ("authorization".to_owned(), format!("Bearer {placeholder}")),
            ("x-signature".to_owned(), format!("v1={digits}")),
        ],
        body: body.as_bytes().to_vec(),
    };
    let response = http::send(&request).map_err(|error| format!("{error:?}"))?;
    Ok(format!("{} {}", response.status, String::from_utf8_lossy(&response.body)))
}

fn filled(word: &str) -> Result<String, secrets::Error> {
    let mut filled = String::new();
    let mut rest = word;
    while let Some((before, name, after)) = rest
        .split_once('{')
        .and_then(|(before, rest)| rest.split_once('}').map(|(name, after)| (before, name, after)))
    {
        filled += before;
        filled += &secrets::placeholder(name)?;
        rest = after;
    }
    Ok(filled + rest)
}

/// `key=value`, or the key of a value to be deleted.
fn kept(entry: &str) -> (String, Option<Vec<u8>>) {
    match entry.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.as_bytes().to_vec())),
        None => (entry.to_owned(), None),
    }
}

/// `-` stands for no value.
fn present(word: &str) -> Option<Vec<u8>> {
    (word != "-").then(|| word.as_bytes().to_vec())
}

fn texts(values: Vec<Option<Vec<u8>>>) -> Vec<String> {
    let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    values.into_iter().map(|value| value.map_or_else(|| "-".to_owned(), text)).collect()
}

fn number(word: &str) -> u32 {
    word.parse().expect("a number")
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn shown(value: impl std::fmt::Debug) -> String {
    format!("{value:?}")
}
