//! A shop for the library's journeys: every connection they name, made with the reference plugins, whose messages a mail server
//! and an HTTP server take.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use waystation_engine::{ConnectionSpec, UnsubscribeLinks};
use waystation_journey::{Policy, check_segment};
use waystation_sandbox::contract::types::HttpRequest;
use waystation_store::records::{ConnectionRow, CustomerPatch, Deliveries, Filter};

use crate::mail::{MailServer, alternative_parts, decode_words};
use crate::{HOUR, Host, MINUTE, SECOND, built, until};

/// Monday 2026-06-01 00:00 in Shanghai.
const MONDAY: i64 = 1_780_243_200_000;
const DAY: i64 = 24 * HOUR;
/// What every secret of the shop is.
const SECRET: &[u8] = b"a secret of the shop that has more than 32 bytes";
/// Connections whose messages go to the HTTP server, each with the kind of its addresses.
const WEB: [(&str, &str); 5] = [
    ("sms", "phone"),
    ("service-notice", "wechat"),
    ("app-push", "app"),
    ("official-account", "follower"),
    ("community", "member"),
];
const OTHERS: [&str; 5] = ["shop", "email", "coupons", "recommender", "calendar"];

/// A time of June 2026 in Shanghai.
pub(crate) fn june(day: i64, hour: i64, minute: i64) -> i64 {
    MONDAY + (day - 1) * DAY + hour * HOUR + minute * MINUTE
}

/// The day of June and the time of day, `hours` east of Greenwich.
fn day_and_time(at: i64, hours: i64) -> (i64, String) {
    let minutes = (at - MONDAY) / MINUTE + (hours - 8) * 60;
    let (day, rest) = (minutes.div_euclid(24 * 60) + 1, minutes.rem_euclid(24 * 60));
    (day, format!("{:02}:{:02}", rest / 60, rest % 60))
}

fn hmac(text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A request that the HTTP server took, or refused.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    headers: BTreeMap<String, String>,
    pub(crate) body: Value,
    status: u16,
}

type Requests = Arc<Mutex<Vec<Request>>>;

/// Answers requests on a connection until it is closed. It knows of nothing that goes with `s2`.
async fn serve(stream: TcpStream, requests: Requests) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut headers) = (String::new(), BTreeMap::new());
        stream.read_line(&mut head).await.ok().filter(|read| *read > 0)?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
        stream.read_exact(&mut body).await.ok()?;
        let text = String::from_utf8(body).ok()?;
        let path = head.split(' ').nth(1)?.trim_start_matches('/').to_owned();
        if let Some(signature) = headers.get("webhook-signature") {
            let signed =
                format!("{}.{}.{text}", headers["webhook-id"], headers["webhook-timestamp"]);
            assert_eq!(*signature, format!("v1,{}", BASE64_STANDARD.encode(hmac(&signed))));
        }
        let body: Value = serde_json::from_str(&text).ok()?;
        let nothing = body["parameters"]["sku"] == "s2";
        let status = if nothing { 404 } else { 200 };
        let answer = json!({ "items": [{ "name": "唇釉" }, { "name": "唇膏" }] }).to_string();
        requests.lock().ok()?.push(Request { path, headers, body, status });
        let length = answer.len();
        let answer = format!("HTTP/1.1 {status} -\r\ncontent-length: {length}\r\n\r\n{answer}");
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// What an operator writes about a connection, and its secrets.
fn written(name: &str, port: u16) -> (ConnectionSpec, BTreeMap<String, String>) {
    let origin = format!("http://127.0.0.1:{port}");
    let http = json!({ "origins": [origin], "networks": ["127.0.0.1/32"] });
    let url = format!("{origin}/{name}");
    let (plugin, config, permissions) = match name {
        "shop" => ("http-events", json!({}), json!({ "secrets": ["signing"] })),
        "email" => (
            "smtp-email",
            json!({ "sender": "驿站商城 <shop@shop.example>" }),
            json!({ "mail": { "relay": "default", "senders": ["shop@shop.example"] } }),
        ),
        "coupons" => {
            ("coupon-codes", json!({ "mode": "generate" }), json!({ "secrets": ["codes"] }))
        }
        "recommender" => (
            "recommend-http",
            json!({ "url": url, "pointer": "/items", "authorization": "none" }),
            json!({ "http": http }),
        ),
        "calendar" => (
            "calendar",
            json!({ "zone": "Asia/Shanghai" }),
            json!({ "audience": { "fields": ["zone", "birthday"], "conditions": "any" } }),
        ),
        channel => {
            let (_, address) = WEB.into_iter().find(|(name, _)| *name == channel).unwrap();
            let contents = if channel == "sms" { json!(["text"]) } else { json!(["card", "text"]) };
            (
                "webhook",
                json!({ "url": url, "address": address, "contents": contents }),
                json!({ "http": http, "secrets": ["signing-key"] }),
            )
        }
    };
    let spec = json!({ "connection": name, "plugin": plugin, "config": config, "permissions": permissions });
    let spec: ConnectionSpec = serde_json::from_value(spec).unwrap();
    let secret = String::from_utf8(SECRET.to_vec()).unwrap();
    let names = spec.permissions.secrets.keys();
    let secrets = names.map(|name| (name.clone(), secret.clone())).collect();
    (spec, secrets)
}

/// A file of the library.
fn library(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../journeys");
    std::fs::read_to_string(folder.join(format!("{file}.yaml"))).unwrap()
}

pub(crate) struct Shop {
    pub(crate) host: Host,
    mail: MailServer,
    requests: Requests,
}

impl Shop {
    /// Opens at a time, with the library's policy and segments and some of its journeys.
    pub(crate) async fn open(at: i64, journeys: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mail = MailServer::start(folder.path());
        let requests = Requests::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&taken)));
            }
        });
        let links = UnsubscribeLinks::new("https://m.shop.example", SECRET.to_vec());
        let unseal = Arc::new(move |row: &ConnectionRow| Ok(written(&row.name, port)));
        let host = Host::with(folder, at, &mail.url(), Some(links), unseal).await;
        for name in OTHERS.into_iter().chain(WEB.map(|(name, _)| name)) {
            let plugin = written(name, port).0.plugin;
            host.connect_wasm(name, &plugin, built(&format!("plugins/{plugin}"))).await;
        }
        let policy = library("policy");
        let checked = Policy::check(&policy).policy.unwrap();
        host.engine.use_policy(policy, checked).await.unwrap();
        // One that another names comes before it.
        for name in ["new-member", "at-risk", "carted-unpaid", "high-value", "quiet"] {
            let segments = host.engine.segments();
            let checked = check_segment(&library(&format!("segments/{name}")), &segments);
            host.engine.use_segments(segments.with(checked.segment.unwrap()).unwrap());
        }
        for name in journeys {
            host.apply(&library(name)).await;
            if library(name).contains("use: calendar") {
                until(async || {
                    let place = host.engine.store().poll_place("calendar").await.unwrap();
                    place?.cursor.filter(|cursor| cursor.contains(&format!("{name}/calendar")))
                })
                .await;
            }
        }
        Self { host, mail, requests }
    }

    /// A customer who can be reached everywhere but at one kind of address, and agreed to it.
    pub(crate) async fn customer(&self, id: &str, attributes: Value, absent: &str) {
        let Value::Object(attributes) = attributes else { panic!("an object") };
        let kinds = WEB.map(|(_, kind)| kind).into_iter().chain(["email"]);
        let kinds: Vec<&str> = kinds.filter(|kind| *kind != absent).collect();
        let patch = CustomerPatch {
            id: id.to_owned(),
            attributes,
            identities: kinds
                .iter()
                .map(|kind| ((*kind).to_owned(), format!("{id}@{kind}.example")))
                .collect(),
            consents: [(
                "marketing".to_owned(),
                kinds.iter().map(|kind| ((*kind).to_owned(), true)).collect(),
            )]
            .into(),
            ..CustomerPatch::default()
        };
        self.host.engine.upsert_customers(vec![patch]).await.unwrap();
    }

    /// The shop reports an event by its signed hook, and reports it again, as shops do.
    pub(crate) async fn report(&self, at: i64, event: &str, customer: &str, properties: Value) {
        let now = self.host.engine.now();
        let body = json!([{
            "id": format!("{event} {customer} {at}"), "name": event, "customer": customer, "at": at,
            "properties": properties,
        }])
        .to_string();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let signature = hex(&hmac(&format!("{}.{body}", now / SECOND)));
        for _ in 0..2 {
            let request = HttpRequest {
                method: "POST".to_owned(),
                url: "/".to_owned(),
                headers: vec![
                    ("waystation-timestamp".to_owned(), (now / SECOND).to_string()),
                    ("waystation-signature".to_owned(), format!("v1={signature}")),
                ],
                body: body.clone().into_bytes(),
            };
            let response = self.host.engine.receive("shop", request).await.unwrap();
            assert_eq!(response.status, 202, "{}", String::from_utf8_lossy(&response.body));
        }
    }

    /// An event that happens now.
    pub(crate) async fn happen(&self, event: &str, customer: &str, properties: Value) {
        self.report(self.host.engine.now(), event, customer, properties).await;
    }

    /// Turns the clock to a time. It halts whenever something is due before, until all of that is done.
    pub(crate) async fn turn_to(&self, at: i64) {
        loop {
            let next = until(async || self.quiet().await).await;
            let now = self.host.engine.now();
            if now >= at {
                return;
            }
            self.host.advance(next.min(at) - now);
        }
    }

    /// When there is something to do next; nothing while there is something now.
    async fn quiet(&self) -> Option<i64> {
        let (store, now) = (self.host.engine.store(), self.host.engine.now());
        let effects = async || {
            let found = store.deliveries(&Deliveries::default(), 1_000).await.unwrap();
            found.into_iter().map(|one| (one.key, one.phase)).collect::<Vec<_>>()
        };
        let before = effects().await;
        let mut next = vec![store.poll_place("calendar").await.unwrap()?.next_at];
        let work = store.work(now, 1, 0).await.unwrap();
        let still =
            work.events.is_empty() && work.settled.is_empty() && work.enrollments.is_empty();
        let at_rest = before.iter().all(|(_, phase)| phase == "done" || phase == "pending");
        next.extend(store.next_due().await.unwrap());
        for name in OTHERS.into_iter().chain(WEB.map(|(name, _)| name)) {
            next.extend(store.next_effect(name).await.unwrap());
        }
        // Effects only go forward: if none has moved meanwhile, nothing has been asked for since.
        let quiet = still && at_rest && effects().await == before;
        next.into_iter().min().filter(|next| quiet && *next > now)
    }

    /// What the HTTP server was asked at a path.
    pub(crate) fn asked(&self, path: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap().clone();
        requests.into_iter().filter(|request| request.path == path).collect()
    }

    /// What has arrived, in order, with coupons' campaigns in place of their codes. Each is in the ledger, sent once, at the
    /// time that its server was told.
    pub(crate) async fn arrived(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (channel, _) in WEB {
            for request in self.asked(channel).into_iter().filter(|one| one.status == 200) {
                let (body, content) = (&request.body, &request.body["content"]);
                let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let text = format!(
                    "{}{} {}",
                    word(&content["text"]),
                    word(&content["title"]),
                    word(&content["body"])
                );
                let at = request.headers["webhook-timestamp"].parse::<i64>().unwrap() * SECOND;
                assert_eq!(body["id"], request.headers["webhook-id"].as_str());
                found.push((
                    word(&body["id"]),
                    Some(at),
                    channel,
                    word(&body["address"]["value"]),
                    text,
                ));
            }
        }
        for mail in self.mail.mails() {
            assert_eq!(mail.from, "shop@shop.example");
            let key = mail.header("message-id").replace("@shop.example", "");
            let key = key.trim_matches(['<', '>']).to_owned();
            let (effect, attempts) = self.host.engine.store().effect(&key).await.unwrap().unwrap();
            let (day, time) = day_and_time(attempts[0].started_at, 0);
            let date = mail.header("date");
            assert!(date.contains(&format!(" {day:02} Jun 2026 {time}:00 ")), "{date}");
            let link = mail.header("list-unsubscribe").trim_matches(['<', '>']).to_owned();
            let token = link.rsplit('/').next().unwrap();
            let withdrawal = self.host.engine.unsubscribe().unwrap().read(token).unwrap();
            assert_eq!(
                (&withdrawal.customer, withdrawal.address.as_str()),
                (&effect.customer, "email")
            );
            let parts = alternative_parts(&mail);
            assert!(parts[1].1.contains(&link.replace('/', "&#x2f;")), "{}", parts[1].1);
            let text = format!(
                "{}: {}",
                decode_words(&mail.header("subject")),
                parts[0].1.replace(&link, "LINK")
            );
            found.push((key, None, "email", mail.to.clone(), text));
        }
        let keys: BTreeSet<&String> = found.iter().map(|one| &one.0).collect();
        assert_eq!(keys.len(), found.len(), "something arrived twice");
        let mut lines = Vec::new();
        for (key, told, channel, to, mut text) in found {
            let store = self.host.engine.store();
            let (effect, attempts) = store.effect(&key).await.unwrap().unwrap();
            assert_eq!((effect.outcome.as_deref(), attempts.len()), (Some("accepted"), 1));
            let at = attempts[0].started_at;
            assert_eq!(told.unwrap_or(at), at);
            for grant in store.grants_of(&effect.customer).await.unwrap() {
                text = text.replace(&grant.code, &format!("<{}>", grant.campaign));
            }
            let (day, time) = day_and_time(at, 8);
            lines.push(format!(
                "{day:02} {time} {channel} {}: {}",
                to.split('@').next().unwrap(),
                text.trim().replace("\r\n", " ")
            ));
        }
        lines.sort();
        lines
    }

    /// How the ledger's messages ended that were not accepted, and how everybody left.
    pub(crate) async fn ended(&self) -> (Vec<String>, Vec<String>) {
        let (store, all) = (self.host.engine.store(), Deliveries::default());
        let effects = store.deliveries(&all, 1_000).await.unwrap().into_iter();
        let effects = effects.filter(|one| one.outcome.as_deref() != Some("accepted"));
        let word = |word: Option<String>| word.unwrap_or_default();
        let mut held: Vec<_> = effects
            .map(|one| {
                format!(
                    "{} {} {} {}",
                    one.customer,
                    one.connection,
                    word(one.outcome),
                    word(one.reason)
                )
            })
            .collect();
        let everybody = Filter { limit: 1_000, ..Filter::default() };
        let left = store.enrollments(&everybody).await.unwrap().into_iter();
        let mut left: Vec<_> = left
            .map(|one| format!("{} {} {}", one.journey, one.customer, word(one.outcome)))
            .collect();
        held.sort();
        left.sort();
        (held, left)
    }

    /// The campaigns of a customer's coupons, in the order of their names.
    pub(crate) async fn grants(&self, customer: &str) -> Vec<String> {
        let grants = self.host.engine.store().grants_of(customer).await.unwrap();
        let mut campaigns: Vec<_> = grants.into_iter().map(|grant| grant.campaign).collect();
        campaigns.sort();
        campaigns
    }
}
