//! Each call's parameters are words: a host function and its arguments. The result is what it answered.

use crate::{
    Probe,
    exports::waystation::plugin::action::{Call, Failure, Guest, Traits},
    waystation::plugin::{clock, codes, config, log, random, secrets},
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
        ["answer", json] => return Ok((*json).to_owned()),
        ["long", length] => return Ok(format!("\"{}\"", "x".repeat(number(length) as usize))),
        _ => return Err(Failure::Refused(format!("no such order: {parameters}"))),
    };
    Ok(format!("{text:?}"))
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

fn number(word: &str) -> u32 {
    word.parse().expect("a number")
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn shown(value: impl std::fmt::Debug) -> String {
    format!("{value:?}")
}
