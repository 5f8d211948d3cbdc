//! From a signed webhook to a mailbox.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::mail::{MailServer, alternative_parts, decode_words};
use crate::server::Server;

pub(crate) const JOURNEY: &str = r#"
journey: cart-unpaid-reminder
title: 加购未支付提醒
entry: { event: cart.item_added, key: event.cart_id }
exit: { event: order.paid, when: event.cart_id == entry.cart_id, as: converted }
goal: { event: order.paid, when: event.cart_id == entry.cart_id, within: 7d, value: event.amount }
on_unknown: resend
templates:
  cart-offer:
    zh:
      email:
        subject: "{{ customer.name }},「{{ entry.item }}」减 5 元"
        text: "券码 {{ coupon.code }}"
        html: "<p>{{ entry.item }} <b>{{ coupon.code }}</b> <a href=\"{{ unsubscribe_url }}\">退订</a></p>"
  last-call:
    zh: { email: { subject: "Last call", text: "Bye" } }
steps:
  - wait: 1s
  - if: coupons.exists(c, c.campaign == "cart5" && c.usable)
    then:
      - exit: had-one
    else:
      - issue: { use: coupons, campaign: cart5, off: 5 CNY, valid: 24h }
        then_send: { use: notice, template: cart-offer }
  - wait_for: { event: order.paid, when: event.cart_id == entry.cart_id, up_to: 2s }
  - send: { use: notice, template: last-call }
  - set: { attributes: { reminded: "true" }, tags: [reminded] }
"#;

pub(crate) fn shop_server(mail: &MailServer) -> Server {
    let server = Server::start(Some(&mail.url()));
    server.set_up();
    server.apply(JOURNEY);
    server
}

pub(crate) async fn customer(server: &Server, id: &str, mailbox: &str, consent: bool) {
    let body = json!({
        "attributes": { "name": "韩梅梅", "locale": "zh-CN" },
        "identities": { "email": format!("{mailbox}@customer.example") },
        "consents": { "marketing": { "email": consent } },
    });
    let (status, answer) = server.request(Method::PUT, &format!("/v1/customers/{id}"), &body).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn signature(timestamp: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"shop-signing-key").unwrap();
    mac.update(format!("{timestamp}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn hook(server: &Server, timestamp: u64, signature: &str, body: &str) -> StatusCode {
    reqwest::Client::new()
        .post(server.url("/hooks/shop"))
        .header("waystation-timestamp", timestamp.to_string())
        .header("waystation-signature", format!("v1={signature}"))
        .body(body.to_owned())
        .send()
        .await
        .unwrap()
        .status()
}

pub(crate) async fn add_to_cart(server: &Server, customer: &str) {
    let body = json!({
        "id": format!("cart-{customer}"), "name": "cart.item_added", "customer": customer,
        "properties": { "cart_id": customer, "item": "手冲咖啡壶 <1L>" },
    })
    .to_string();
    assert_eq!(hook(server, now(), &signature(now(), &body), &body).await, 202);
}

pub(crate) async fn ended(server: &Server, customer: &str) -> Value {
    let path = format!("/v1/enrollments?customer={customer}");
    server
        .until("the end of the enrollment", async || {
            let found = server.get(&path).await;
            found[0]["outcome"].is_string().then(|| found[0].clone())
        })
        .await
}

#[tokio::test]
async fn a_cart_leads_to_a_coupon_in_a_mailbox() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let server = shop_server(&mail);
    customer(&server, "han", "han", true).await;
    add_to_cart(&server, "han").await;
    let enrollment = ended(&server, "han").await;
    assert_eq!(enrollment["outcome"], "finished");
    assert_eq!(enrollment["status"], "finished");

    let mails = mail.mails();
    assert_eq!(mails.len(), 2, "{}", server.log());
    let offer = &mails[0];
    assert_eq!(
        (offer.from.as_str(), offer.to.as_str()),
        ("notice@shop.example", "han@customer.example")
    );
    let deliveries = server.get("/v1/deliveries?customer=han").await;
    let offered = deliveries
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["step"] == "steps[1].else[0].then_send")
        .unwrap();
    let key = offered["key"].as_str().unwrap();
    assert_eq!(offer.header("message-id"), format!("<{key}@shop.example>"));
    assert_eq!(offered["outcome"], "accepted");
    assert_eq!(offered["attempts"], 1);

    assert_eq!(decode_words(&offer.header("subject")), "韩梅梅,「手冲咖啡壶 <1L>」减 5 元");
    assert!(offer.header("subject").is_ascii() && offer.header("from").is_ascii());
    assert_eq!(decode_words(&offer.header("from")), "驿站商城 <notice@shop.example>");
    let link = offer.header("list-unsubscribe").trim_matches(['<', '>']).to_owned();
    assert!(link.starts_with("https://m.shop.example/u/"), "{link}");
    assert_eq!(offer.header("list-unsubscribe-post"), "List-Unsubscribe=One-Click");
    assert_eq!(offer.header("mime-version"), "1.0");

    let coupon = server.get("/v1/customers/han").await["coupons"][0].clone();
    let code = coupon["code"].as_str().unwrap();
    let parts = alternative_parts(offer);
    assert_eq!(
        parts.iter().map(|part| part.0.as_str()).collect::<Vec<_>>(),
        ["text/plain", "text/html"]
    );
    assert_eq!(parts[0].1.trim_end(), format!("券码 {code}"));
    assert_eq!(
        parts[1].1.trim_end(),
        format!(
            "<p>手冲咖啡壶 &lt;1L&gt; <b>{code}</b> <a href=\"{}\">退订</a></p>",
            link.replace('/', "&#x2f;")
        )
    );
    // A link cannot be folded.
    let short = |line: &str| line.len() <= 78 || line.starts_with("List-Unsubscribe: <https://");
    assert!(offer.text.split("\r\n").all(|line| short(line) && line.is_ascii()), "{}", offer.text);
    assert!(!offer.text.replace("\r\n", "").contains(['\r', '\n']));

    let customer = server.get("/v1/customers/han").await;
    assert_eq!(customer["attributes"]["reminded"], true);
    assert_eq!(customer["tags"], json!(["reminded"]));
}

#[tokio::test]
async fn who_pays_leaves_and_counts_towards_the_goal() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let server = shop_server(&mail);
    customer(&server, "li", "li", true).await;
    add_to_cart(&server, "li").await;
    let paid = json!({ "id": "p1", "name": "order.paid", "customer": "li", "properties": { "cart_id": "li", "amount": 12.5 } });
    let (status, _) = server.request(Method::POST, "/v1/events", &paid).await;
    assert_eq!(status, 202);
    let enrollment = ended(&server, "li").await;
    assert_eq!(
        (&enrollment["outcome"], &enrollment["goal_value"]),
        (&json!("converted"), &json!(12.5))
    );
    assert_eq!(server.get("/v1/deliveries?customer=li").await, json!([]));
    assert_eq!(mail.mails().len(), 0);
}

#[tokio::test]
async fn an_event_counts_once_however_often_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let server = shop_server(&mail);
    customer(&server, "li", "li", true).await;
    for _ in 0..3 {
        add_to_cart(&server, "li").await;
    }
    ended(&server, "li").await;
    assert_eq!(server.get("/v1/enrollments?customer=li").await.as_array().unwrap().len(), 1);
    assert_eq!(mail.mails().len(), 2);
}

#[tokio::test]
async fn mail_that_is_put_off_refused_or_in_doubt_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let server = shop_server(&mail);
    for name in ["later", "cut", "gone"] {
        customer(&server, name, name, true).await;
        add_to_cart(&server, name).await;
    }
    customer(&server, "silent", "silent", false).await;
    add_to_cart(&server, "silent").await;
    for name in ["later", "cut", "gone", "silent"] {
        ended(&server, name).await;
    }
    let delivery = async |customer: &str| {
        let listed = server.get(&format!("/v1/deliveries?kind=send&customer={customer}")).await;
        server.get(&format!("/v1/deliveries/{}", listed[0]["key"].as_str().unwrap())).await
    };
    let outcomes = |delivery: &Value| {
        let attempts = delivery["history"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["outcome"].as_str().unwrap().to_owned());
        (attempts.collect::<Vec<_>>().join(" "), delivery["outcome"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        outcomes(&delivery("later").await),
        ("deferred accepted".to_owned(), "accepted".to_owned())
    );
    assert_eq!(
        outcomes(&delivery("cut").await),
        ("unknown accepted".to_owned(), "accepted".to_owned())
    );
    let gone = delivery("gone").await;
    assert_eq!(outcomes(&gone), ("refused".to_owned(), "refused".to_owned()));
    assert!(gone["detail"].as_str().unwrap().contains("no such mailbox"), "{gone}");
    let silent = delivery("silent").await;
    assert_eq!(
        (&silent["outcome"], &silent["reason"]),
        (&json!("suppressed"), &json!("no_consent"))
    );
    assert_eq!(silent["history"], json!([]));

    // What may have been sent is sent again under the same Message-ID; what nobody could be told of is taken back.
    let cut: Vec<String> = mail
        .mails()
        .iter()
        .filter(|mail| mail.to == "cut@customer.example")
        .map(|mail| mail.header("message-id"))
        .collect();
    assert_eq!(cut.len(), 3);
    assert_eq!(cut[0], cut[1]);
    assert_ne!(cut[1], cut[2]);
    for name in ["gone", "silent"] {
        server
            .until("the coupon to be revoked", async || {
                let state =
                    server.get(&format!("/v1/customers/{name}")).await["coupons"][0]["state"]
                        .clone();
                (state == "revoked").then_some(())
            })
            .await;
    }
    assert_eq!(server.get("/v1/customers/cut").await["coupons"][0]["state"], "usable");
}

#[tokio::test]
async fn one_batch_may_leave_and_enter_again() {
    let server = Server::start(None);
    let journey = "journey: visits\nentry: { event: visit.begun, again: always }\n\
                   exit: { event: visit.ended, as: left }\nsteps: [{ wait: 1h }]\n";
    server.apply(journey);
    let event = |id: &str, name: &str| json!({ "id": id, "name": name, "customer": "li" });
    let begun = event("1", "visit.begun");
    let (status, _) = server.request(Method::POST, "/v1/events", &begun).await;
    assert_eq!(status, 202);
    let more = json!([
        event("2", "visit.ended"),
        event("3", "visit.begun"),
        event("4", "visit.ended"),
        event("5", "visit.begun")
    ]);
    let (status, _) = server.request(Method::POST, "/v1/events", &more).await;
    assert_eq!(status, 202);
    server
        .until("two visits over and one under way", async || {
            let counts = server.get("/v1/journeys/visits").await["enrollments"].clone();
            (counts == json!({ "active": 1, "left": 2 })).then_some(())
        })
        .await;
}

#[tokio::test]
async fn one_click_withdraws_consent() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let server = shop_server(&mail);
    customer(&server, "han", "han", true).await;
    add_to_cart(&server, "han").await;
    ended(&server, "han").await;
    let link = mail.mails()[0]
        .header("list-unsubscribe")
        .trim_matches(['<', '>'])
        .replace("https://m.shop.example", "");
    let http = reqwest::Client::new();
    assert_eq!(http.get(server.url(&link)).send().await.unwrap().status(), 200);
    assert_eq!(
        server.get("/v1/customers/han").await["consents"],
        json!({ "marketing": ["email"] })
    );
    let posted =
        http.post(server.url(&link)).body("List-Unsubscribe=One-Click").send().await.unwrap();
    assert_eq!(posted.status(), 200);
    assert_eq!(server.get("/v1/customers/han").await["consents"], json!({ "marketing": [] }));
    let forged = link.replace("/u/", "/u/A");
    assert_eq!(http.post(server.url(&forged)).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_webhook_must_be_signed_and_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let server = shop_server(&mail);
    let body = json!({ "id": "x", "name": "cart.item_added", "customer": "eve", "properties": { "cart_id": "1" } }).to_string();
    assert_eq!(hook(&server, now(), &"0".repeat(64), &body).await, 401);
    let old = now() - 3600;
    assert_eq!(hook(&server, old, &signature(old, &body), &body).await, 401);
    assert_eq!(hook(&server, now(), &signature(now(), &body), &format!("{body} ")).await, 401);
    assert_eq!(hook(&server, now(), &signature(now(), "{"), "{").await, 400);
    assert_eq!(server.get("/v1/enrollments").await, json!([]));
    let (status, _) = server.request(Method::GET, "/v1/customers/eve", &Value::Null).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_restart() {
    let server = Server::start(None);
    server.set_up_without_mail();
    let body = json!({ "id": "x", "name": "cart.item_added", "customer": "eve", "properties": {} });
    let body = body.to_string();
    assert_eq!(hook(&server, now(), &signature(now(), &body), &body).await, 202);
    let file = server.write("new-key", "another-signing-key\n");
    let said = server.run(&["connection", "secret", "shop", "signing", "--file", &file]);
    assert!(said.starts_with("shop  http-events"), "{said}");
    assert_eq!(hook(&server, now(), &signature(now(), &body), &body).await, 401);
    let shown = server.run(&["connection", "show", "shop"]);
    assert!(shown.contains("\"signing\"") && !shown.contains("another-signing-key"), "{shown}");
    server.run(&[
        "connection",
        "secret",
        "shop",
        "signing",
        "--file",
        &server.write("old", "shop-signing-key"),
    ]);
    assert_eq!(hook(&server, now(), &signature(now(), &body), &body).await, 202);
}

#[tokio::test]
async fn sigterm_ends_in_order_and_a_restart_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let mut server = shop_server(&mail);
    customer(&server, "han", "han", true).await;
    add_to_cart(&server, "han").await;
    assert!(server.terminate().success(), "{}", server.log());
    assert!(server.spawn().any(|line| line.starts_with("listening on ")));
    assert_eq!(ended(&server, "han").await["outcome"], "finished");
    assert_eq!(mail.mails().len(), 2);
    assert_eq!(server.get("/v1/deliveries?customer=han").await.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn operators_see_health_metrics_and_the_api_description() {
    let server = Server::start(None);
    let open = async |path: &str| reqwest::get(server.url(path)).await.unwrap();
    assert_eq!(open("/healthz").await.text().await.unwrap(), "ok\n");
    let description: Value = open("/v1/openapi.json").await.json().await.unwrap();
    for path in [
        "/v1/events",
        "/v1/customers/{id}",
        "/v1/journeys",
        "/v1/enrollments",
        "/v1/deliveries/{key}",
        "/v1/plugins",
        "/v1/connections/{connection}",
    ] {
        assert!(description["paths"][path].is_object(), "{path} is not described");
    }
    assert_eq!(open("/metrics").await.status(), 401);
    server
        .until("the count of what is open", async || {
            let metrics = server.get("/metrics").await;
            let counted = "waystation_effects_open{phase=\"pending\"} 0";
            metrics.as_str().unwrap().contains(counted).then_some(())
        })
        .await;
}
