//! The outside, stubbed: it answers what a recording has, and notes what it was asked.

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    Exchange, Recording, json,
    rehearsal::{Match, Request},
    replacer::{Needle, Replacer},
    take::{HMAC, Signing, code_marker, code_name_of, codes, secret_marker, signed},
};
use crate::{hex, permissions::secrets};

/// Most bytes of one request that is noted, and of all that are.
const REQUEST_BYTES: usize = 256 << 10;
const REQUESTS_BYTES: usize = 8 << 20;

/// What a rehearsed connection was granted. Nothing of it is there; the stub answers for what would be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Granted {
    pub(super) http: bool,
    pub(super) mail: bool,
    pub(super) pools: BTreeSet<String>,
    pub(super) store: bool,
    pub(super) audience: bool,
    /// Names of its secrets, whose values are stubs.
    pub(super) secrets: BTreeSet<String>,
}

/// A stub of the outside for one call.
pub(crate) struct Player {
    granted: Granted,
    /// What is left to answer, by function and request.
    answers: HashMap<String, VecDeque<Value>>,
    /// Requests of the recording by function and destination, for a release that signs or words them differently each time.
    loose: Option<HashMap<String, VecDeque<String>>>,
    config: Option<String>,
    /// When the recorded call ended.
    pub(super) at: u64,
    clock: VecDeque<u64>,
    told: u64,
    random: Random,
    /// Values that the call has set.
    values: HashMap<String, Option<Value>>,
    /// From stubs of secrets and codes to their markers.
    marks: Replacer,
    /// And back.
    stubs: Replacer,
    made: Vec<Request>,
    left: usize,
}

impl Player {
    /// A stub that knows a recording, and what another release was answered in its place.
    pub(super) fn new(recording: &Recording, granted: Granted, known: Option<&[Request]>) -> Self {
        let mut player = Self {
            answers: HashMap::new(),
            loose: known.is_none().then(HashMap::new),
            config: None,
            clock: VecDeque::new(),
            at: recording.at,
            told: recording.at,
            random: Random::new(recording),
            values: HashMap::new(),
            marks: Replacer::default(),
            stubs: Replacer::default(),
            made: Vec::new(),
            left: REQUESTS_BYTES,
            granted,
        };
        for name in &player.granted.secrets {
            player.marks.add(Needle::marked(secret(name), secret_marker(name)));
            player.marks.add(Needle::marked(placeholder(name), secret_marker(name)));
            player.stubs.add(Needle::marked(secret_marker(name), secret(name)));
        }
        for exchange in &recording.exchanges {
            player.learn(exchange);
        }
        for request in known.into_iter().flatten() {
            if request.matched == Match::Loose {
                player.learn_answer(&request.exchange);
            }
        }
        player
    }

    fn learn(&mut self, exchange: &Exchange) {
        match exchange.function.as_str() {
            "config.get" => self.config = exchange.answer.as_str().map(str::to_owned),
            "clock.now" => self.clock.extend(exchange.answer.as_u64()),
            "random.bytes" => {
                self.random.recorded.extend(json::bytes(&exchange.answer).unwrap_or_default());
            }
            HMAC => self.learn_code(exchange),
            function => {
                if let (Some(loose), Some(to)) = (&mut self.loose, destination(exchange)) {
                    let exact = question(function, &exchange.request);
                    loose.entry(question(function, &to)).or_default().push_back(exact);
                }
                self.learn_answer(exchange);
            }
        }
    }

    fn learn_answer(&mut self, exchange: &Exchange) {
        let question = question(&exchange.function, &exchange.request);
        self.answers.entry(question).or_default().push_back(exchange.answer.clone());
    }

    /// Puts the code that the stub's secrets make in the place of the recorded one's marker.
    fn learn_code(&mut self, exchange: &Exchange) {
        let Some(name) = code_name_of(exchange) else { return };
        let mut request = exchange.request.clone();
        self.stubs.apply(&mut request);
        let Ok(signing) = json::record::<Signing>(request) else { return };
        let Some(code) = signing.code() else { return };
        for (written, text) in codes(&code) {
            self.stubs.add(Needle::marked(code_marker(name, written), text));
        }
    }

    /// What the stub answers, and a note of what it was asked.
    pub(super) fn answer<Q: Serialize, A: Serialize + DeserializeOwned>(
        &mut self,
        function: &'static str,
        request: &Q,
        missing: &impl Fn(bool) -> A,
    ) -> A {
        let asked = self.marked(request);
        let granted = self.grants(function, &asked);
        let (matched, answer) = match function {
            _ if !granted => (Match::None, None),
            "store.get" => self.value(&asked),
            "store.set" | "store.swap" => self.set(function, &asked),
            _ => self.find(function, &asked),
        };
        let told = answer.as_ref().and_then(|answer| json::record(self.expanded(answer)).ok());
        let told = told.unwrap_or_else(|| missing(granted));
        let answer = answer.unwrap_or_else(|| self.marked(&told));
        self.made(function, asked, answer, matched);
        told
    }

    fn grants(&self, function: &str, request: &Value) -> bool {
        match function.split('.').next() {
            Some("http") => self.granted.http,
            Some("mail") => self.granted.mail,
            Some("store") => self.granted.store,
            Some("audience") => self.granted.audience,
            Some("codes") => {
                let pool = request.get(0).and_then(Value::as_str).unwrap_or_default();
                self.granted.pools.contains(pool)
            }
            _ => true,
        }
    }

    fn find(&mut self, function: &str, request: &Value) -> (Match, Option<Value>) {
        let exact = question(function, request);
        if let Some(answer) = self.answers.get_mut(&exact).and_then(VecDeque::pop_front) {
            return (Match::Exact, Some(answer));
        }
        let exchange = Exchange {
            function: function.to_owned(),
            request: request.clone(),
            answer: Value::Null,
        };
        let (Some(loose), Some(to)) = (&mut self.loose, destination(&exchange)) else {
            return (Match::None, None);
        };
        let candidates = loose.entry(question(function, &to)).or_default();
        while let Some(exact) = candidates.pop_front() {
            if let Some(answer) = self.answers.get_mut(&exact).and_then(VecDeque::pop_front) {
                return (Match::Loose, Some(answer));
            }
        }
        (Match::None, None)
    }

    /// A value of the store: what this call has set, else what the recording has, else none.
    fn value(&mut self, key: &Value) -> (Match, Option<Value>) {
        if let Some(set) = key.as_str().and_then(|key| self.values.get(key)) {
            return (Match::Exact, Some(json!({ "Ok": set })));
        }
        match self.find("store.get", key) {
            (matched, Some(answer)) => (matched, Some(answer)),
            (matched, None) => (matched, Some(json!({ "Ok": null }))),
        }
    }

    /// Setting or swapping a value: what the recording says, else what a store would do.
    fn set(&mut self, function: &str, request: &Value) -> (Match, Option<Value>) {
        let part = |index| request.get(index).cloned().unwrap_or_default();
        let swap = function == "store.swap";
        let key = part(0).as_str().unwrap_or_default().to_owned();
        let (matched, answer) = match self.find(function, request) {
            (matched, Some(answer)) => (matched, answer),
            (matched, None) if swap => {
                let present = self.values.get(&key).cloned().flatten().unwrap_or_default();
                (matched, json!({ "Ok": present == part(1) }))
            }
            (matched, None) => (matched, json!({ "Ok": null })),
        };
        let done = answer.get("Ok").is_some_and(|done| *done != Value::Bool(false));
        if done {
            let new = part(if swap { 2 } else { 1 });
            self.values.insert(key, (!new.is_null()).then_some(new));
        }
        (matched, Some(answer))
    }

    pub(crate) fn config(&self) -> Option<String> {
        self.config.clone()
    }

    /// The recorded times one after the other, then a millisecond more each time.
    pub(crate) fn now(&mut self) -> u64 {
        self.told = self.clock.pop_front().unwrap_or(self.told.saturating_add(1));
        self.told
    }

    pub(crate) fn random(&mut self, bytes: usize) -> Vec<u8> {
        self.random.bytes(bytes)
    }

    /// Notes a code that was made with stubs of secrets.
    pub(crate) fn signed(&mut self, signing: &Signing, answer: &Value) {
        let request = serde_json::to_value(signing).unwrap_or_default();
        let mut exchange = Exchange { function: HMAC.to_owned(), request, answer: answer.clone() };
        signed(&mut exchange, &mut self.marks);
        self.made(HMAC, exchange.request, exchange.answer, Match::Exact);
    }

    /// A record with markers in the place of stubs, as recordings have them.
    pub(super) fn marked<T: Serialize + ?Sized>(&self, record: &T) -> Value {
        let mut value = json::value(record, REQUEST_BYTES)
            .unwrap_or_else(|| json!(format!("more than {REQUEST_BYTES} bytes")));
        self.marks.apply(&mut value);
        value
    }

    /// A record of the recording with stubs in the place of markers.
    pub(super) fn expanded(&self, value: &Value) -> Value {
        let mut value = value.clone();
        self.stubs.apply(&mut value);
        value
    }

    fn made(&mut self, function: &str, request: Value, answer: Value, matched: Match) {
        let exchange = Exchange { function: function.to_owned(), request, answer };
        let bytes = json::size(&exchange.request) + json::size(&exchange.answer);
        // What lies beyond the bound is asked by a plugin that asks without end.
        if let Some(left) = self.left.checked_sub(bytes + exchange.function.len()) {
            self.left = left;
            self.made.push(Request { exchange, matched });
        }
    }

    pub(super) fn take_made(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.made)
    }
}

fn question(function: &str, request: &Value) -> String {
    format!("{function} {request}")
}

/// Where a request goes, whatever else it says.
fn destination(exchange: &Exchange) -> Option<Value> {
    let request = &exchange.request;
    match exchange.function.as_str() {
        "http.send" => {
            let url = request.get("url")?.as_str()?;
            let place = url.split(['?', '#']).next()?;
            Some(json!([request.get("method")?, place]))
        }
        "mail.submit" => Some(json!([request.get("sender")?, request.get("recipients")?])),
        _ => None,
    }
}

/// The stub of a secret's value: as long as many secrets are, and the same for every release.
pub(super) fn secret(name: &str) -> String {
    hex::encode(&Sha256::digest(format!("stub of the secret {name}")))
}

/// The stub of a placeholder, in the form that placeholders have.
pub(crate) fn placeholder(name: &str) -> String {
    let token = Sha256::digest(format!("stub of the placeholder {name}"));
    format!("{}{}", secrets::MARK, hex::encode(&token[..secrets::TOKEN_DIGITS / 2]))
}

/// The recorded bytes, then what follows from the recording's digest.
struct Random {
    recorded: VecDeque<u8>,
    seed: [u8; 32],
    block: u64,
}

impl Random {
    fn new(recording: &Recording) -> Self {
        // A recording is texts and numbers, which cannot fail to be written.
        let text = serde_json::to_vec(recording).unwrap_or_default();
        Self { recorded: VecDeque::new(), seed: Sha256::digest(text).into(), block: 0 }
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.recorded.len() < count {
            let block =
                Sha256::new().chain_update(self.seed).chain_update(self.block.to_be_bytes());
            self.recorded.extend(block.finalize());
            self.block += 1;
        }
        self.recorded.drain(..count).collect()
    }
}
