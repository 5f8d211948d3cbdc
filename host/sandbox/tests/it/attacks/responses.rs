//! Servers that work together with the plugin, or against it.

use std::time::{Duration, Instant};

use super::{Attempt, check};
use crate::web::{Reply, Seen, Server, connect, grant, name, order};

const RESPONSES: &[Attempt] = &[
    ("more than is allowed", "send\nGET http://large.test:{port}/large", "Error::TooLarge"),
    ("more than it says", "send\nGET http://large.test:{port}/lies", "200"),
    ("no end", "send\nGET http://large.test:{port}/endless", "Error::TooLarge"),
    ("no end in chunks", "send\nGET http://large.test:{port}/chunks", "Error::TooLarge"),
    ("a bomb", "send\nGET http://large.test:{port}/bomb", "Error::TooLarge"),
    ("many header fields", "send\nGET http://large.test:{port}/fields", "Error::TooLarge"),
    ("a long header field", "send\nGET http://large.test:{port}/field", "Error::TooLarge"),
    ("endless header fields", "send\nGET http://large.test:{port}/head", "Error::TooLarge"),
    ("another protocol", "send\nGET http://large.test:{port}/switch", "Error::Interrupted("),
    (
        "an impossible status",
        "send\nGET http://large.test:{port}/status",
        "answered with the status 999",
    ),
    ("two lengths", "send\nGET http://large.test:{port}/lengths", "Error::Interrupted("),
];

fn respond(seen: &Seen) -> Reply {
    const HEAD: &str = "HTTP/1.1 200 OK\r\n";
    let large = "x".repeat(70_000);
    match seen.path() {
        "/large" => Reply::ok(&large),
        "/lies" => Reply::raw(format!("{HEAD}content-length: 3\r\n\r\n{large}")),
        "/endless" => Reply::drip(format!("{HEAD}\r\n"), [b'x'; 8_192]),
        "/chunks" => {
            let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
            Reply::drip(format!("{HEAD}transfer-encoding: chunked\r\n\r\n"), chunk)
        }
        "/bomb" => Reply::answer("200 OK", "content-encoding: gzip\r\n", bomb()),
        "/fields" => Reply::answer("200 OK", &"x-a: 1\r\n".repeat(150), ""),
        "/field" => Reply::answer("200 OK", &format!("x-a: {large}\r\n"), ""),
        "/head" => Reply::drip(HEAD, format!("x-a: {}\r\n", "x".repeat(80)).repeat(100)),
        "/slow-head" => Reply::drip(HEAD, "x-a: 1\r\n"),
        "/switch" => Reply::raw(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        ),
        "/status" => Reply::raw("HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n"),
        "/lengths" => {
            Reply::raw(format!("{HEAD}content-length: 3\r\ncontent-length: 4\r\n\r\nbody"))
        }
        "/drip" => Reply::drip(format!("{HEAD}content-length: 100000\r\n\r\n"), b"x"),
        "/early" => Reply::drip("", b"HTTP/1.1 100 Continue\r\n\r\n"),
        _ => Reply::ok("x".repeat(60_000)),
    }
}

/// 64 MiB of zeros, compressed to about 64 KiB: each block of the format repeats one byte 258 times at a time.
fn bomb() -> Vec<u8> {
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    // A block with the fixed code: a zero, and then matches of length 258 at distance 1, of 8 and 5 bits.
    let mut bits = Bits::default();
    bits.put(0b1, 1);
    bits.put(0b01, 2);
    bits.code(0b0011_0000, 8);
    for _ in 0..260_000 {
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    bits.code(0, 7);
    bytes.extend(bits.bytes);
    bytes
}

/// Bits as DEFLATE (RFC 1951) packs them: into a byte from its lowest bit on.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    free: u32,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let last = self.bytes.last_mut().expect("a byte was added");
            *last |= ((value >> bit & 1) as u8) << (8 - self.free);
            self.free -= 1;
        }
    }

    /// A Huffman code, which begins with its highest bit.
    fn code(&mut self, code: u32, count: u32) {
        self.put(code.reverse_bits() >> (32 - count), count);
    }
}

#[tokio::test]
async fn no_response_is_larger_than_is_allowed() {
    let server = Server::start(respond).await;
    name("large.test", &[&["127.0.0.1"]]);
    let origin = format!("http://large.test:{}", server.port);
    let attacker = connect(|settings| {
        grant(settings, &[&origin]);
        settings.limits.response_bytes = 64 << 10;
    })
    .await;
    assert!(bomb().len() < 500_000);
    check(&attacker, server.port, RESPONSES).await;
    assert!(order(&attacker, &format!("send\nGET {origin}/")).await.ends_with("60000 bytes"));
}

#[tokio::test]
async fn a_slow_server_does_not_hold_a_call_beyond_its_time() {
    let server = Server::start(respond).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let attacker = connect(|settings| {
        grant(settings, &[&origin]);
        settings.limits.wall_time = Duration::from_secs(1);
    })
    .await;
    for path in ["drip", "early", "slow-head"] {
        let begun = Instant::now();
        let answer = order(&attacker, &format!("send\nPOST {origin}/{path}\n\nbody")).await;
        assert!(answer.starts_with("Error::Interrupted("), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn all_responses_of_a_call_share_a_bound() {
    let server = Server::start(respond).await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let attacker = connect(|settings| {
        grant(settings, &[&origin]);
        settings.limits.host_call_bytes = 1 << 20;
    })
    .await;
    let answer = order(&attacker, &format!("send-all 100\nGET {origin}/")).await;
    let rest = answer.strip_prefix("ok ").unwrap();
    let whole: usize = rest.split(' ').next().unwrap().parse().unwrap();
    assert!((1..=17).contains(&whole), "{answer}");
    assert!(answer.contains(&format!("interrupted 0 too-large {}", 100 - whole)), "{answer}");
}
