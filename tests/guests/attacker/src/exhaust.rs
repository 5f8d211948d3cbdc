//! Using the host up: host functions called without end, memory, stack.

use std::hint::black_box;

use crate::{
    request,
    waystation::plugin::{clock, config, http, log, random, secrets, store},
};

pub(crate) fn attempt(words: &[&str]) -> String {
    match words {
        ["loop", "log"] => forever(|| log::write(log::Level::Warn, "again", &[])),
        ["loop", "clock"] => forever(|| {
            black_box(clock::now());
        }),
        ["loop", "config"] => forever(|| drop(black_box(config::get()))),
        ["loop", "random"] => forever(|| drop(black_box(random::bytes(65_536)))),
        ["loop", "placeholder"] => forever(|| drop(black_box(secrets::placeholder("key")))),
        ["loop", "store"] => forever(|| drop(black_box(store::get(&["key".to_owned()])))),
        ["loop", "denied"] => {
            let request = request::parse("GET http://nowhere.test/");
            forever(|| drop(black_box(http::send(&request))))
        }
        ["loop", "hmac"] => {
            let key = secrets::placeholder("key").unwrap_or_default();
            let data = vec![b'x'; (16 << 20) - 100];
            forever(|| {
                let code = secrets::hmac(key.as_bytes(), secrets::Algorithm::Sha512, &data);
                drop(black_box(code));
            })
        }
        ["loop", "nothing"] => forever(|| {
            black_box(0);
        }),
        ["memory"] => {
            let mut all = Vec::new();
            forever(|| all.push(black_box(vec![1_u8; 1 << 20])))
        }
        ["stack"] => descend(0).to_string(),
        ["random", length] => random::bytes(length.parse().unwrap_or(u32::MAX)).len().to_string(),
        _ => format!("no such order: {words:?}"),
    }
}

fn forever(mut attempt: impl FnMut()) -> String {
    loop {
        attempt();
    }
}

fn descend(depth: u64) -> u64 {
    if black_box(depth) == u64::MAX { 0 } else { 1 + black_box(descend(depth + 1)) }
}
