//! Actions: what they are given, and what the journey makes of what they answer.

use serde_json::{Value, json};
use waystation_journey::{Lane, Status};
use waystation_store::records::{CustomerPatch, Deliveries, NewEvent, Subject};

use crate::{Host, NOW, SECOND};

/// A journey that runs an action with these parameters and keeps the result as the customer's attribute `told`.
async fn host(parameters: &str) -> Host {
    let host = Host::new().await;
    host.connect("actor", "acts").await;
    host.apply(&format!(
        "{{ journey: acting, entry: {{ event: begin }}, exit: {{ event: stop, as: stopped }}, \
         steps: [{{ run: told, use: actor, with: {parameters}, otherwise: nothing }}, \
         {{ set: {{ attributes: {{ told: steps.told }} }} }}] }}"
    ))
    .await;
    host
}

/// Lets it run for a customer; what the journey was told.
async fn told(host: &Host, customer: &str) -> Value {
    host.happen("begin", customer).await;
    host.enrollment(customer, |enrollment| enrollment.status == Status::Finished).await;
    attribute(host, customer).await
}

async fn attribute(host: &Host, customer: &str) -> Value {
    let found = host.engine.store().customers(&[customer.to_owned()]).await.unwrap();
    found[customer].attributes.get("told").cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_is_given_parameters_and_granted_fields_and_its_result_is_the_journeys() {
    let host = host("{ do: tell, to: '{{ customer.name }}', count: 3 }").await;
    let Value::Object(attributes) = json!({ "name": "Lin", "salary": 5000 }) else {
        unreachable!()
    };
    let tags = ["vip".to_owned()].into();
    let patch =
        CustomerPatch { id: "c-1".to_owned(), attributes, tags, ..CustomerPatch::default() };
    host.engine.upsert_customers(vec![patch]).await.unwrap();
    let expected = json!({
        "calls": 1,
        "customer": "c-1",
        "parameters": { "do": "tell", "to": "Lin", "count": 3 },
        // Neither the salary nor the phone, which nobody granted.
        "fields": { "name": "Lin", "tags": "[\"vip\"]", "identity.email": "c-1@example.com" },
    });
    assert_eq!(told(&host, "c-1").await, expected);
    let (effect, attempts) = host.effect("c-1", |effect| effect.phase == "done").await;
    assert_eq!((effect.kind.as_str(), effect.outcome.as_deref()), ("run", Some("accepted")));
    assert_eq!(attempts.len(), 1);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_that_the_action_does_not_take_are_never_sent() {
    let host = host("{ do: tell, to: 'more than eight' }").await;
    assert_eq!(told(&host, "c-1").await, "nothing");
    let (effect, attempts) = host.effect("c-1", |effect| effect.phase == "done").await;
    assert_eq!(
        (effect.outcome.as_deref(), effect.reason.as_deref(), effect.detail.as_deref()),
        (Some("refused"), Some("parameters"), Some("/to: value is longer than 8 characters"))
    );
    assert_eq!(attempts.len(), 0);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_result_the_journey_goes_on_with_what_it_says_itself() {
    for (order, outcome, detail) in [
        ("refuse", "refused", "as told"),
        ("trap", "unknown", "unreachable"),
        ("nest", "unknown", "the plugin's result is not JSON"),
    ] {
        let host = host(&format!("{{ do: {order} }}")).await;
        assert_eq!(told(&host, "c-1").await, "nothing", "{order}");
        let (effect, attempts) = host.effect("c-1", |effect| effect.phase == "done").await;
        assert_eq!(effect.outcome.as_deref(), Some(outcome), "{order}");
        let said = attempts[0].detail.as_deref().unwrap();
        assert!(said.contains(detail), "{order}: {said}");
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deferred_action_is_repeated_until_an_exit() {
    let host = host("{ do: defer }").await;
    host.happen("begin", "c-1").await;
    host.effect("c-1", |effect| effect.phase == "pending" && effect.attempts == 1).await;
    host.advance(60 * SECOND);
    host.effect("c-1", |effect| effect.phase == "pending" && effect.attempts == 2).await;
    host.happen("stop", "c-1").await;
    let (effect, _) = host.effect("c-1", |effect| effect.phase == "done").await;
    assert_eq!((effect.outcome.as_deref(), effect.attempts), (Some("cancelled"), 2));
    assert_eq!(attribute(&host, "c-1").await, Value::Null);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_no_larger_than_the_action_says() {
    let host = host("{ do: tell }").await;
    let customers = ["c-1", "c-2", "c-3", "c-4", "c-5"];
    let events = customers.map(|customer| NewEvent {
        source: "test".to_owned(),
        id: customer.to_owned(),
        name: "begin".to_owned(),
        subject: Subject::Customer(customer.to_owned()),
        at: NOW,
        subscription: None,
        lane: Lane::GENERAL,
        properties: serde_json::Map::new(),
    });
    host.engine.take(events.into()).await.unwrap();
    for customer in customers {
        host.enrollment(customer, |enrollment| enrollment.status == Status::Finished).await;
        let told = attribute(&host, customer).await;
        assert!(told["calls"].as_i64().is_some_and(|calls| calls <= 2), "{told}");
    }
    let filter = Deliveries { kind: Some("run".to_owned()), ..Deliveries::default() };
    let found = host.engine.store().deliveries(&filter, 10).await.unwrap();
    assert_eq!(found.len(), customers.len());
    host.stop().await;
}
