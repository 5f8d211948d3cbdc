//! The reference plugins, as an operator would use them.

use std::{path::Path, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use waystation_build::build_all;
use waystation_sandbox::{
    Connection, MailGrant, Relay, SecretValue, Settings,
    contract::{
        channel::{Content, Email, Outcome, RefusalReason},
        coupon::{Benefit, Offer, Request, Revocation},
        trigger_source::Subject,
        types::HttpRequest,
    },
};

use crate::{
    codes::Pool,
    guests::{NOW, fresh_folder, settings, shared},
    messages::text,
};

async fn connect(name: &str, change: impl FnOnce(&mut Settings)) -> Connection {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(name);
    let built = build_all(&[dir], &waystation_build::Options::default()).unwrap();
    let wasm = Arc::from(std::fs::read(&built[0].wasm).unwrap());
    let release = shared().load(wasm).await.unwrap();
    println!("{:?} {:?} {:?}", release.kinds(), release.manifest(), release.imports());
    let mut settings = settings(name);
    change(&mut settings);
    Connection::new(shared(), release, settings).unwrap()
}

fn signed(secret: &str, at: u64, body: &str) -> HttpRequest {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    HttpRequest {
        method: "POST".into(),
        url: "/hooks/shop".into(),
        headers: vec![
            ("waystation-timestamp".into(), at.to_string()),
            ("waystation-signature".into(), format!("v1={hex}")),
        ],
        body: body.as_bytes().to_vec(),
    }
}

#[tokio::test]
async fn events_come_in() {
    let c = connect("http-events", |s| {
        s.secrets.insert("signing".into(), SecretValue::new("top"));
        s.permissions.secrets.insert("signing".into());
    })
    .await;
    assert_eq!(c.check().await.unwrap(), Ok(()));
    println!("{:?}", c.trigger_source_traits().await.unwrap());
    let body = r#"[{"id":"1","name":"cart.item_added","identity":{"kind":"email","value":"a@b"},"properties":{"sku":"x"}}]"#;
    let r = c.receive(&signed("top", NOW / 1000, body), &[]).await.unwrap();
    assert_eq!((r.response.status, r.events.len(), r.events[0].at), (202, 1, NOW));
    assert!(matches!(&r.events[0].subject, Subject::Identity(i) if i.value == "a@b"));
    for (request, status) in [
        (signed("wrong", NOW / 1000, body), 401),
        (signed("top", NOW / 1000 - 301, body), 401),
        (signed("top", NOW / 1000, "[{}]"), 400),
        (HttpRequest { method: "GET".into(), ..signed("top", NOW / 1000, body) }, 405),
    ] {
        let r = c.receive(&request, &[]).await.unwrap();
        println!("{} {}", r.response.status, String::from_utf8_lossy(&r.response.body));
        assert_eq!(r.response.status, status);
        assert!(r.events.is_empty());
    }
    let c = connect("http-events", |s| {
        s.secrets.insert("signing".into(), SecretValue::new("new"));
        s.secrets.insert("signing-previous".into(), SecretValue::new("top"));
        s.permissions.secrets.extend(["signing".to_owned(), "signing-previous".to_owned()]);
    })
    .await;
    for secret in ["top", "new"] {
        assert_eq!(
            c.receive(&signed(secret, NOW / 1000, body), &[]).await.unwrap().response.status,
            202
        );
    }
    let c = connect("http-events", |_| {}).await;
    println!("{:?}", c.check().await.unwrap());
    assert_eq!(
        c.receive(&signed("top", NOW / 1000, body), &[]).await.unwrap().response.status,
        503
    );
    let c = connect("http-events", |s| s.config = r#"{"tolerance_seconds":"x"}"#.into()).await;
    println!("{:?}", c.check().await.unwrap());
    println!("{:?}", c.trigger_source_traits().await);
    assert_eq!(
        c.receive(&signed("top", NOW / 1000, body), &[]).await.unwrap().response.status,
        503
    );
}

#[tokio::test]
async fn mail_goes_out() {
    let folder = fresh_folder();
    let url = format!("file://{}", folder.path().display());
    let relay = Arc::new(Relay::new(&url).unwrap());
    let c = connect("smtp-email", |s| {
        s.config = r#"{"sender":"驿站 <hello@shop.example>"}"#.into();
        s.mail = Some(MailGrant { relay, senders: vec!["hello@shop.example".into()] });
    })
    .await;
    assert_eq!(c.check().await.unwrap(), Ok(()));
    println!("{:?}", c.channel_traits().await.unwrap());
    let mut mail = text("k2", "li@mail.example", "");
    mail.content = Content::Email(Email {
        sender: None,
        subject: "购物车".into(),
        html: Some("<p>在等您</p>".into()),
        text: None,
        headers: vec![],
    });
    mail.extras = vec![("unsubscribe-url".into(), "https://way.example/u".into())];
    let out = c
        .send(&[text("k1", "li@mail.example", "Hello\nyou"), text("bad", "nobody", "x"), mail])
        .await;
    println!("{out:#?}");
    assert!(
        matches!(&out[0], Outcome::Accepted(r) if r.provider_id.as_deref() == Some("k1@shop.example"))
    );
    assert!(matches!(&out[1], Outcome::Refused(r) if r.reason == RefusalReason::Address));
    assert!(matches!(&out[2], Outcome::Accepted(_)));
    for f in std::fs::read_dir(folder.path()).unwrap() {
        println!("{}", String::from_utf8(std::fs::read(f.unwrap().path()).unwrap()).unwrap());
    }
    let c = connect("smtp-email", |_| {}).await;
    println!(
        "{:?} {:?}",
        c.check().await.unwrap(),
        c.send(&[text("k1", "li@mail.example", "Hello\nyou")]).await
    );
    let c = connect("smtp-email", |s| s.config = r#"{"sender":"a@b.c"}"#.into()).await;
    println!("{:?}", c.send(&[text("k1", "li@mail.example", "Hello\nyou")]).await);
}

#[tokio::test]
async fn coupons_go_out() {
    let pool = Pool::open();
    let request = |key: &str| Request {
        key: key.into(),
        customer: "c".into(),
        campaign: "cart5".into(),
        offer: Offer {
            benefit: Benefit::FreeShipping,
            minimum: None,
            valid_from: NOW,
            valid_until: NOW + 1,
        },
        extras: vec![],
    };
    let c = connect("coupon-codes", |s| {
        s.config = r#"{"mode":"generate","prefix":"SPRING"}"#.into();
        s.secrets.insert("codes".into(), SecretValue::new("secret"));
        s.permissions.secrets.insert("codes".into());
    })
    .await;
    assert_eq!(c.check().await.unwrap(), Ok(()));
    println!("{:?}", c.coupon_traits().await.unwrap());
    let issued = c.issue(&[request("key-1"), request("key-2"), request("key-1")]).await;
    println!("{issued:?}");
    assert_eq!(issued[0].as_ref().unwrap().code, "SPRING-1Y41-ECB8-ZKAAQ");
    assert_eq!(issued[0], issued[2]);
    let c = connect("coupon-codes", |s| {
        s.config = r#"{"mode":"pool","pool":"cart5"}"#.into();
        s.codes = Some(pool.grant());
    })
    .await;
    println!("{:?}", c.check().await.unwrap());
    println!("{:?}", c.issue(&["a", "b", "c", "d"].map(request)).await);
    let revocation =
        Revocation { key: "a".into(), campaign: "cart5".into(), code: "A".into(), extras: vec![] };
    println!("{:?}", c.revoke(&[revocation]).await);
    let c =
        connect("coupon-codes", |s| s.config = r#"{"mode":"pool","pool":"other"}"#.into()).await;
    println!("{:?}", c.check().await.unwrap());
    println!("{:?}", c.issue(&[request("a")]).await);
    for config in [r#"{"mode":"x"}"#, r#"{"mode":"generate","length":3}"#, "{}"] {
        let c = connect("coupon-codes", |s| s.config = config.into()).await;
        println!("{:?}", c.check().await.unwrap());
    }
}
