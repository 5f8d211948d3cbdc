//! The functions of each kind, and the bounds of their answers.

use waystation_sandbox::{
    CallError, Kind,
    contract::{
        coupon::{self, Benefit, Offer, Request, Revocation},
        trigger_source::{Subject, Subscription},
        types::{Failure, HttpRequest, ReportKind},
    },
};

use crate::{
    codes::Pool,
    guests::{NOW, connect},
    messages::{batch, deferred, order},
};

fn request(body: &str) -> HttpRequest {
    HttpRequest {
        method: "POST".to_owned(),
        url: "/hooks/shop".to_owned(),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    }
}

fn subscription() -> Subscription {
    Subscription { id: "s1".to_owned(), parameters: "{}".to_owned() }
}

fn coupon(key: &str, campaign: &str) -> Request {
    let offer = Offer {
        benefit: Benefit::PerMilleOff(200),
        minimum: None,
        valid_from: NOW,
        valid_until: NOW + 86_400_000,
    };
    Request {
        key: key.to_owned(),
        customer: "c1".to_owned(),
        campaign: campaign.to_owned(),
        offer,
        extras: Vec::new(),
    }
}

#[tokio::test]
async fn a_plugin_finds_fault_with_its_configuration() {
    let right =
        connect("probe", |settings| settings.config = r#"{"mood":"right"}"#.to_owned()).await;
    assert_eq!(right.check().await.unwrap(), Ok(()));
    let wrong =
        connect("probe", |settings| settings.config = r#"{"mood":"wrong"}"#.to_owned()).await;
    let problems = wrong.check().await.unwrap().unwrap_err();
    assert_eq!(
        (problems[0].path.as_str(), problems[0].message.as_str()),
        ("/mood", "it is wrong; say right")
    );
}

#[tokio::test]
async fn traits_are_told_within_bounds() {
    let probe = connect("probe", |_| {}).await;
    assert_eq!(probe.action_traits().await.unwrap().max_batch, 1_000, "5,000 is too many");
    assert_eq!(probe.coupon_traits().await.unwrap().max_batch, 1, "0 is too few");
    assert_eq!(probe.trigger_source_traits().await.unwrap().event_names, ["probe.seen"]);
    let echo = connect("echo", |_| {}).await;
    assert_eq!(echo.channel_traits().await.unwrap().address, "phone");
}

#[tokio::test]
async fn a_plugin_is_not_asked_for_what_it_is_not() {
    let probe = connect("probe", |_| {}).await;
    assert!(matches!(probe.channel_traits().await, Err(CallError::NotExported(Kind::Channel))));
    assert!(deferred(&probe.send(&batch(2)).await).contains("not a channel"));
    let echo = connect("echo", |_| {}).await;
    assert!(matches!(echo.poll(&[], None).await, Err(CallError::NotExported(Kind::TriggerSource))));
    assert!(matches!(&echo.run(&[order("now")]).await[0], Err(Failure::Deferred(_))));
}

#[tokio::test]
async fn a_request_becomes_events() {
    let probe = connect("probe", |_| {}).await;
    let body = "e1 cart.item_added {\"sku\":\"a\"}\ne2 order.paid {}";
    let reception = probe.receive(&request(body), &[subscription()]).await.unwrap();
    assert_eq!(reception.response.status, 202);
    let names: Vec<&str> = reception.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["cart.item_added", "order.paid"]);
    assert_eq!(reception.events[0].at, NOW);
    assert_eq!(reception.events[0].subject, Subject::Customer("c1".to_owned()));
    assert_eq!(reception.events[0].subscription.as_deref(), Some("s1"));
}

#[tokio::test]
async fn a_request_that_is_not_understood_is_told_in_the_plugins_words() {
    let probe = connect("probe", |_| {}).await;
    match probe.receive(&request("nonsense"), &[]).await {
        Err(CallError::Plugin(text)) => assert!(text.contains("nonsense"), "{text}"),
        other => panic!("{other:?}"),
    }
    let echo = connect("echo", |_| {}).await;
    assert!(
        matches!(echo.receive_reports(&request("")).await, Err(CallError::Plugin(text)) if text == "no reports here")
    );
}

#[tokio::test]
async fn events_outside_the_contract_are_not_taken() {
    let probe = connect("probe", |_| {}).await;
    for body in [
        "e1 Cart.Added {}",
        "e1 cart..added {}",
        "e1 cart.added []",
        "e1 cart.added {",
        " cart.added {}",
    ] {
        let answer = probe.receive(&request(body), &[]).await;
        assert!(matches!(answer, Err(CallError::Answer(_))), "{body}: {answer:?}");
    }
}

#[tokio::test]
async fn events_and_reports_come_to_one_hook() {
    let two_way = connect("two-way", |_| {}).await;
    let reception =
        two_way.receive(&request("answer a1\nreport k1\nanswer a2"), &[]).await.unwrap();
    let ids: Vec<&str> = reception.events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["a1", "a2"]);
    let [report] = &reception.reports[..] else { panic!("{reception:?}") };
    assert_eq!((report.key.as_deref(), report.kind), (Some("k1"), ReportKind::Delivered));
    assert_eq!(report.detail.as_ref().map(String::len), Some(1_000), "2,000 are too many");
}

#[tokio::test]
async fn reports_outside_the_contract_are_not_taken() {
    let two_way = connect("two-way", |_| {}).await;
    let probe = connect("probe", |_| {}).await;
    let bare = two_way.receive(&request("report"), &[]).await;
    assert!(matches!(&bare, Err(CallError::Answer(text)) if text.contains("neither")), "{bare:?}");
    let stray = probe.receive(&request(""), &[]).await;
    assert!(
        matches!(&stray, Err(CallError::Answer(text)) if text.contains("channel")),
        "{stray:?}"
    );
}

#[tokio::test]
async fn polls_follow_one_another() {
    let probe = connect("probe", |_| {}).await;
    let first = probe.poll(&[subscription()], None).await.unwrap();
    assert_eq!((first.events[0].id.as_str(), first.cursor.as_deref()), ("poll-0", Some("1")));
    assert_eq!(first.next_at, NOW + 1_000, "the plugin asked for another poll at once");
    let second = probe.poll(&[subscription()], first.cursor.as_deref()).await.unwrap();
    assert_eq!(second.events[0].id, "poll-1");
}

#[tokio::test]
async fn coupons_are_issued_and_revoked() {
    let pool = Pool::open();
    let probe = connect("probe", |settings| settings.codes = Some(pool.grant())).await;
    let keys = ["g1", "g2", "g1", "g3", "g4"];
    let issued = probe.issue(&keys.map(|key| coupon(key, "cart5"))).await;
    let codes: Vec<Result<&str, &coupon::Failure>> =
        issued.iter().map(|grant| grant.as_ref().map(|grant| grant.code.as_str())).collect();
    assert_eq!(codes, [Ok("A"), Ok("B"), Ok("A"), Ok("C"), Err(&coupon::Failure::Exhausted)]);

    let revocation = Revocation {
        key: "g2".to_owned(),
        campaign: "cart5".to_owned(),
        code: "B".to_owned(),
        extras: Vec::new(),
    };
    assert_eq!(probe.revoke(&[revocation]).await, [Ok(())]);
    assert_eq!(probe.issue(&[coupon("g4", "cart5")]).await[0].as_ref().unwrap().code, "B");
}

#[tokio::test]
async fn coupon_failures_are_told_apart() {
    let pool = Pool::open();
    let probe = connect("probe", |settings| settings.codes = Some(pool.grant())).await;
    let answers = probe.issue(&[coupon("g1", "another"), coupon("broken", "cart5")]).await;
    assert_eq!(answers[0], Err(coupon::Failure::Refused("not granted".to_owned())));
    match &answers[1] {
        Err(coupon::Failure::Deferred(deferral)) => {
            assert_eq!((deferral.after, deferral.detail.as_str()), (1_000, "the database is away"));
        }
        other => panic!("{other:?}"),
    }
    let found = probe.find_grants(&["g1".to_owned(), "lost".to_owned()]).await;
    assert_eq!(found, [Ok(None), Err(coupon::Failure::Unknown("lost".to_owned()))]);
}

#[tokio::test]
async fn an_actions_result_is_json_of_bounded_size() {
    let probe = connect("probe", |_| {}).await;
    let answers = probe
        .run(&[
            order(r#"answer {"sku":["a","b"]}"#),
            order("answer {oops"),
            order("long 70000"),
            order("dance"),
        ])
        .await;
    assert_eq!(answers[0].as_deref(), Ok(r#"{"sku":["a","b"]}"#));
    assert!(
        matches!(&answers[1], Err(Failure::Unknown(detail)) if detail.contains("not JSON")),
        "{answers:?}"
    );
    assert!(
        matches!(&answers[2], Err(Failure::Unknown(detail)) if detail.contains("70002 bytes")),
        "{answers:?}"
    );
    assert_eq!(answers[3], Err(Failure::Refused("no such order: dance".to_owned())));
}
