//! A channel whose mood is written into the component: tests replace the text below in the compiled file, and so get releases
//! that differ in nothing else.

use std::hint::black_box;

use guest_contract::exports::waystation::plugin::channel::{Refusal, RefusalReason};
use guest_contract::exports::waystation::plugin::{channel, plugin};
use guest_contract::{HttpRequest, Manifest, Message, Outcome, Problem, Reception, Traits};

/// Messages of a hundred that are refused, messages of a hundred that crash it, and how long a call takes.
static MOOD: &[u8; 26] = b"refuse=00 trap=00 slow=01.";
/// Turns of a loop that make up one unit of slowness.
const TURNS: u32 = 1_000_000;

struct Mood {
    refuse: u32,
    trap: u32,
    slow: u32,
}

fn mood() -> Mood {
    // The compiler must not know what it says.
    let text = black_box(MOOD);
    let number = |at: usize| u32::from(text[at] - b'0') * 10 + u32::from(text[at + 1] - b'0');
    Mood { refuse: number(7), trap: number(15), slow: number(23) }
}

/// A number below 10,000 that belongs to the message (FNV-1a of its key).
fn lot(message: &Message) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = message.key.bytes().fold(0x811c_9dc5, step);
    // The last bytes of a key hardly reach the upper bits.
    (hash ^ (hash >> 15)).wrapping_mul(0x2c1b_3c6d) % 10_000
}

fn answer(mood: &Mood, message: &Message) -> Outcome {
    let lot = lot(message);
    assert!(lot / 100 >= mood.trap, "it is in a bad mood");
    if lot % 100 < mood.refuse {
        return Outcome::Refused(Refusal {
            reason: RefusalReason::Content,
            detail: "it does not please me".to_owned(),
        });
    }
    guest_contract::accepted(message)
}

struct Guest;

impl plugin::Guest for Guest {
    fn describe() -> Manifest {
        guest_contract::manifest("moody")
    }

    fn check() -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

impl channel::Guest for Guest {
    fn get_traits() -> Traits {
        Traits { max_batch: 5, ..guest_contract::traits() }
    }

    fn send(messages: Vec<Message>) -> Vec<Outcome> {
        let mood = mood();
        let mut turns = 0_u32;
        while turns < TURNS * mood.slow {
            turns = black_box(turns + 1);
        }
        messages.iter().map(|message| answer(&mood, message)).collect()
    }

    fn find(_keys: Vec<String>) -> Vec<Option<Outcome>> {
        Vec::new()
    }

    fn receive(_request: HttpRequest) -> Result<Reception, String> {
        Err("no reports here".to_owned())
    }
}

guest_contract::export!(Guest with_types_in guest_contract);
