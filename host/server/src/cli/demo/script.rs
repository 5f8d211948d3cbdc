//! What happens in the demo, all of it through the public API, and what must have come of it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use waystation_engine::{Clock as _, Engine, SystemClock};

use crate::cli::client::{Body, Client};
use crate::cli::{connection, output};
use crate::random;

const HOUR: i64 = 3_600_000;
/// When the last enrollment must be over.
const END: i64 = 36 * HOUR;

const CONNECTIONS: [&str; 3] = [
    include_str!("../../../demo/shop.yaml"),
    include_str!("../../../demo/coupons.yaml"),
    include_str!("../../../demo/notice.yaml"),
];
const JOURNEYS: [&str; 2] = [
    include_str!("../../../demo/welcome-coupon.yaml"),
    include_str!("../../../demo/cart-unpaid-reminder.yaml"),
];

/// Installs plugins, connections, journeys and customers. Answers with the key that the shop signs with.
pub(crate) async fn set_up(client: &Client, components: &[PathBuf]) -> anyhow::Result<String> {
    // They were built here a moment ago, and this workspace goes when the demo ends.
    let settings = json!({ "unsigned_plugins": "allow" });
    client.request(Method::PUT, "/v1/settings", Body::Json(&settings)).await?;
    for component in components {
        let wasm = tokio::fs::read(component).await?;
        let release = client
            .request(Method::POST, "/v1/plugins", Body::Bytes("application/wasm", wasm))
            .await?;
        output::line(format!(
            "plugin      {} {}",
            release["name"].as_str().unwrap_or_default(),
            release["version"].as_str().unwrap_or_default()
        ));
    }
    let signing = random::hex::<32>()?;
    let codes = random::hex::<32>()?;
    for source in CONNECTIONS {
        let source = source
            .replace("{ env: WAYSTATION_DEMO_SIGNING }", &format!("{{ value: \"{signing}\" }}"))
            .replace("{ env: WAYSTATION_DEMO_CODES }", &format!("{{ value: \"{codes}\" }}"));
        output::line(format!("connection  {}", connection::apply(client, &source).await?));
    }
    for source in JOURNEYS {
        let body = Body::Bytes("application/yaml", source.as_bytes().to_vec());
        let applied = client.request(Method::POST, "/v1/journeys", body).await?;
        output::line(format!("journey     {}", applied["journey"].as_str().unwrap_or_default()));
    }
    let customer = |id: &str, name: &str, locale: &str| {
        json!({
            "id": id,
            "attributes": { "name": name, "locale": locale },
            "identities": { "email": format!("{id}@customer.example") },
            "consents": { "marketing": { "email": true } },
        })
    };
    let customers = json!([
        customer("li-lei", "李雷", "zh-CN"),
        customer("han-meimei", "韩梅梅", "zh-CN"),
        customer("tom", "Tom", "en-US"),
    ]);
    client.request(Method::POST, "/v1/customers", Body::Json(&customers)).await?;
    Ok(signing)
}

/// Plays the day: three carts, two payments. Returns when every enrollment is over.
pub(crate) async fn play(
    client: &Client,
    signing: &str,
    engine: &Engine,
    started: i64,
) -> anyhow::Result<()> {
    let shop = Shop { client, signing };
    shop.post(&json!([{ "id": "reg-tom", "name": "member.registered", "customer": "tom" }]))
        .await?;
    until(engine, started + 12 * HOUR, "Tom's welcome coupon", async || {
        let tom = client.request(Method::GET, "/v1/customers/tom", Body::None).await?;
        Ok(tom["coupons"].as_array().is_some_and(|coupons| !coupons.is_empty()))
    })
    .await?;
    let began = engine.now();
    let cart = |id: &str, customer: &str, item: &str| {
        json!({
            "id": format!("cart-{id}"), "name": "cart.item_added", "customer": customer,
            "properties": { "cart_id": id, "item": item, "amount": 128.0 },
        })
    };
    shop.post(&json!([
        cart("c1", "li-lei", "青花瓷茶具"),
        cart("c2", "han-meimei", "手冲咖啡壶"),
        cart("c3", "tom", "Blue teapot"),
    ]))
    .await?;
    let paid = |id: &str, customer: &str| {
        json!([{
            "id": format!("paid-{id}"), "name": "order.paid", "customer": customer,
            "properties": { "cart_id": id, "amount": 128.0 },
        }])
    };
    engine.sleep_until(began + 6 * HOUR).await;
    shop.post(&paid("c1", "li-lei")).await?;
    engine.sleep_until(began + 18 * HOUR).await;
    shop.post(&paid("c2", "han-meimei")).await?;
    until(engine, began + END, "the end of every enrollment", async || {
        let all = client.request(Method::GET, "/v1/enrollments", Body::None).await?;
        let all = all.as_array().context("enrollments are a list")?;
        Ok(all.len() == 4 && all.iter().all(|one| one["status"] != "active"))
    })
    .await
}

/// What is not as it should be.
pub(crate) async fn verify(client: &Client) -> anyhow::Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut expect = |what: String, found: String, expected: &str| {
        if found != expected {
            complaints.push(format!("{what}: {found} instead of {expected}"));
        }
    };
    for (customer, outcome, goal, sent, coupons) in [
        ("li-lei", "converted", "128.0", "", 0),
        ("han-meimei", "converted", "128.0", "steps[1].else[0].then_send accepted", 1),
        ("tom", "finished", "null", "steps[1].then[0] accepted, steps[3] accepted", 1),
    ] {
        let path = format!("/v1/enrollments?journey=cart-unpaid-reminder&customer={customer}");
        let enrollments = client.request(Method::GET, &path, Body::None).await?;
        expect(format!("outcome of {customer}"), word(&enrollments[0]["outcome"]), outcome);
        expect(format!("goal of {customer}"), enrollments[0]["goal_value"].to_string(), goal);
        let path =
            format!("/v1/deliveries?journey=cart-unpaid-reminder&kind=send&customer={customer}");
        let deliveries = client.request(Method::GET, &path, Body::None).await?;
        let listed: Vec<String> = deliveries
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| format!("{} {}", word(&one["step"]), word(&one["outcome"])))
            .collect();
        expect(format!("mail to {customer}"), listed.join(", "), sent);
        let held =
            client.request(Method::GET, &format!("/v1/customers/{customer}"), Body::None).await?;
        let held = held["coupons"].as_array().map_or(0, Vec::len);
        expect(format!("coupons of {customer}"), held.to_string(), &coupons.to_string());
    }
    Ok(complaints)
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or("nothing").to_owned()
}

/// Asks again and again until it is so, at most until the time given.
async fn until<F>(engine: &Engine, deadline: i64, what: &str, is_so: F) -> anyhow::Result<()>
where
    F: AsyncFn() -> anyhow::Result<bool>,
{
    let mut asked = tokio::time::interval(Duration::from_millis(100));
    while !is_so().await? {
        if engine.now() > deadline {
            bail!("{what} did not come in time; RUST_LOG=info shows what the server did");
        }
        asked.tick().await;
    }
    Ok(())
}

/// The shop, which signs its webhooks.
struct Shop<'a> {
    client: &'a Client,
    signing: &'a str,
}

impl Shop<'_> {
    async fn post(&self, events: &Value) -> anyhow::Result<()> {
        let body = events.to_string();
        let timestamp = (SystemClock.now() / 1000).to_string();
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.signing.as_bytes()).context("the signing key")?;
        mac.update(format!("{timestamp}.{body}").as_bytes());
        let signature: String =
            mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let url = format!("{}/hooks/shop", self.client.server);
        let response = reqwest::Client::new()
            .post(&url)
            .header("content-type", "application/json")
            .header("waystation-timestamp", timestamp)
            .header("waystation-signature", format!("v1={signature}"))
            .body(body)
            .send()
            .await?;
        let status = response.status();
        if !status.is_success() {
            bail!("the hook answered {status}: {}", response.text().await?);
        }
        Ok(())
    }
}
