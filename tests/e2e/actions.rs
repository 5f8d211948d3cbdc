//! Actions: what they are given of a customer, and what the journey makes of their answers.

use std::path::Path;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::server::Server;

const ACTOR: &str = "
connection: actor
plugin: acts
permissions: { customer_fields: [name, tags, identity.email] }
";

const JOURNEY: &str = "
journey: acting
entry: { event: begin }
steps:
  - run: told
    use: actor
    with: { do: tell, to: '{{ customer.name }}', count: 3 }
  - run: wrong
    use: actor
    with: { do: tell, to: '{{ steps.told.customer }} and friends' }
    otherwise: { reason: none }
  - if: steps.told.fields.name == 'Lin' && steps.wrong.reason == 'none'
    then:
      - set: { attributes: { told: steps.told } }
";

async fn acting_server() -> Server {
    let server = Server::start(None);
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/acts");
    let built = waystation_build::build(&guest, &waystation_build::Options::default())
        .expect("the guest builds");
    server.run(&["plugin", "install", built.wasm.to_str().unwrap()]);
    let file = server.write("actor.yaml", ACTOR);
    server.run(&["connection", "apply", &file]);
    let body = json!({
        "attributes": { "name": "Lin", "salary": 5000 },
        "tags": ["vip"],
        "identities": { "email": "lin@customer.example", "phone": "+8613800000000" },
    });
    let (status, answer) = server.request(Method::PUT, "/v1/customers/lin", &body).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    server
}

#[tokio::test]
async fn an_action_sees_what_was_granted_and_its_answer_is_the_journeys() {
    let server = acting_server().await;
    let journey = server.write("acting.yaml", JOURNEY);
    assert_eq!(
        server.run(&["check", "--online", &journey]),
        format!("{journey}: acting is valid\n")
    );
    server.apply(JOURNEY);
    server.run(&["send-event", "begin", "--customer", "lin"]);
    let enrollment = server
        .until("the end of the enrollment", async || {
            let found = server.get("/v1/enrollments?customer=lin").await;
            found[0]["outcome"].is_string().then(|| found[0].clone())
        })
        .await;
    assert_eq!(enrollment["outcome"], "finished");

    let customer = server.get("/v1/customers/lin").await;
    let expected = json!({
        "calls": 1,
        "customer": "lin",
        "parameters": { "do": "tell", "to": "Lin", "count": 3 },
        // Neither the salary nor the phone: nobody granted them.
        "fields": { "name": "Lin", "tags": "[\"vip\"]", "identity.email": "lin@customer.example" },
    });
    assert_eq!(customer["attributes"]["told"], expected);

    let runs = server.get("/v1/deliveries?customer=lin&kind=run").await;
    let [told, wrong] = runs.as_array().unwrap().as_slice() else { panic!("{runs}") };
    assert_eq!((&told["outcome"], &told["attempts"]), (&json!("accepted"), &json!(1)));
    // Who was filled in is too long, and the action never heard of it.
    assert_eq!((&wrong["outcome"], &wrong["attempts"]), (&json!("refused"), &json!(0)));
    assert_eq!(wrong["reason"], "parameters");
    assert_eq!(wrong["detail"], "/to: value is longer than 8 characters");
    assert!(!server.log().contains("lin@customer.example"), "{}", server.log());
}

#[tokio::test]
async fn a_journey_is_told_what_an_action_does_not_take() {
    let server = acting_server().await;
    let checked = |journey: &str| {
        let file = server.write("acting.yaml", journey);
        let output = server.command(&["check", "--online", &file]);
        assert!(!output.status.success());
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let text = checked(&JOURNEY.replace("count: 3", "count: '3'"));
    let expected = "7:57: steps[0].with.count: the action takes integer here, not string";
    assert!(text.contains(expected), "{text}");
    let text = checked(&JOURNEY.replace("use: actor", "use: acter"));
    for (line, step) in [(6, 0), (9, 1)] {
        let expected = format!(
            "{line}:10: steps[{step}].use: there is no connection `acter`; did you mean `actor`?"
        );
        assert!(text.contains(&expected), "{expected}\n{text}");
    }
    let nothing: Vec<Value> = server.list("/v1/deliveries", "key").await;
    assert!(nothing.is_empty());
}
