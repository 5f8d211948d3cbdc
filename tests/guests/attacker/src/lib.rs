//! An action that tries whatever it is told, so that the tests can say in words what a hostile plugin would do.
//!
//! A call's parameters are an order in the first line and what it needs in the others; the result is what came of it.

wit_bindgen::generate!({ path: "../../../wit", world: "action-plugin", generate_all });

mod exhaust;
mod request;

use std::{fmt::Write as _, sync::OnceLock};

use exports::waystation::plugin::{
    action::{Call, Failure, Guest as Action, Traits},
    plugin::{Guest as Plugin, Manifest, Problem},
};
use waystation::plugin::{audience, clock, http, log, secrets};

struct Attacker;

impl Plugin for Attacker {
    fn describe() -> Manifest {
        Manifest {
            name: "attacker".to_owned(),
            version: "0.1.0".to_owned(),
            title: "Attacker".to_owned(),
            summary: "For the host's tests.".to_owned(),
            vendor: "Waystation".to_owned(),
            license: "Apache-2.0".to_owned(),
            config_schema: String::new(),
            permissions: Vec::new(),
            extras: Vec::new(),
        }
    }

    fn check() -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

impl Action for Attacker {
    fn get_traits() -> Traits {
        Traits {
            parameters_schema: String::new(),
            max_batch: 1_000,
            dedupe_window: None,
            extras: Vec::new(),
        }
    }

    fn run(calls: Vec<Call>) -> Vec<Result<String, Failure>> {
        calls.iter().map(|call| Ok(quoted(&attempt(&call.parameters)))).collect()
    }
}

export!(Attacker);

/// What the host answered to a request that was sent while the sandbox was being set up.
static EARLY: OnceLock<String> = OnceLock::new();

/// Runs before the host calls anything. The port is one that tests listen on, if they can.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    let request = request::parse("GET http://127.0.0.1:80/early");
    let _ = EARLY.set(request::shown(http::send(&request)));
}

fn attempt(parameters: &str) -> String {
    let (order, rest) = parameters.split_once('\n').unwrap_or((parameters, ""));
    let words: Vec<&str> = order.split(' ').collect();
    match words.as_slice() {
        ["early"] => EARLY.get().cloned().unwrap_or_default(),
        ["send"] => request::shown(http::send(&request::parse(rest))),
        ["send-each"] => request::each(rest),
        ["send-all", count] => request::many(number(count), rest),
        ["send-large", headers, body] => request::large(number(headers), number(body), rest),
        ["send-all-again", times, count] => {
            let answers: Vec<String> =
                (0..number(times)).map(|_| request::many(number(count), rest)).collect();
            answers.last().cloned().unwrap_or_default()
        }
        ["send-twice"] => request::in_turn(rest),
        // What the host lets the plugin see is written to the log, to see what the operator sees then.
        ["send-and-log"] => {
            let answer = request::shown(http::send(&request::parse(rest)));
            log::write(log::Level::Warn, &answer, &[("answer".to_owned(), answer.clone())]);
            answer
        }
        ["forge"] => request::with(rest, |_| format!("waystation-secret-{}", "0".repeat(32))),
        ["placeholder", name] => secrets::placeholder(name).unwrap_or_default(),
        ["hmac"] => hmac(rest),
        ["audience", limit, after] => members(rest, (*after != "-").then_some(*after), limit),
        ["audience-long", bytes] => members(&format!("{:1$}", "all", number(bytes)), None, "10000"),
        ["audience-after", bytes] => members("all", Some(&"c".repeat(number(bytes))), "1"),
        ["now"] => clock::now().to_string(),
        _ => exhaust::attempt(&words),
    }
}

/// How many customers there are in a part, who the first ones are, and where the next part starts.
fn members(expression: &str, after: Option<&str>, limit: &str) -> String {
    let limit = limit.parse().expect("a number");
    let page = match audience::read(expression, after, limit) {
        Ok(page) => page,
        Err(error) => return format!("{error:?}"),
    };
    let mut told = format!("{} members", page.members.len());
    for member in page.members.iter().take(3) {
        let _ = write!(told, ", {}", member.customer);
        for (name, value) in &member.fields {
            let _ = write!(told, " {name}={value}");
        }
    }
    let _ = write!(told, ", next {}", page.next.unwrap_or_default());
    told
}

/// Asks for an HMAC under a key that is known, whose data are the secret.
fn hmac(rest: &str) -> String {
    let (key, data) = rest.split_once('\n').unwrap_or((rest, ""));
    let (key, data) = (request::filled(key), request::filled(data));
    format!("{:?}", secrets::hmac(key.as_bytes(), secrets::Algorithm::Sha256, data.as_bytes()))
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

/// A string of JSON, at most as long as a result may be.
fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars().take(8_000) {
        match letter {
            '"' | '\\' => json.extend(['\\', letter]),
            _ if letter.is_control() => {
                let _ = write!(json, "\\u{:04x}", u32::from(letter));
            }
            _ => json.push(letter),
        }
    }
    json + "\""
}
