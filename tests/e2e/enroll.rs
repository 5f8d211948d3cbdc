//! Enrolling by hand, by command and API.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::server::Server;

const JOURNEY: &str = "
journey: welcome
entry: { event: journey.enroll }
steps: [{ set: { attributes: { city: \"has(entry.city) ? entry.city : 'unknown'\" } } }]
";

async fn server() -> Server {
    let server = Server::start(None);
    server.apply(JOURNEY);
    for customer in ["lin", "ann", "bob"] {
        let path = format!("/v1/customers/{customer}");
        let (status, answer) = server.request(Method::PUT, &path, &json!({})).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    }
    server
}

/// The customer's city, once the journey has set it.
async fn city(server: &Server, customer: &str) -> String {
    server
        .until("the journey's end", async || {
            let found = server.get(&format!("/v1/customers/{customer}")).await;
            found["attributes"]["city"].as_str().map(str::to_owned)
        })
        .await
}

#[tokio::test]
async fn a_command_enrolls_customers_and_files_of_them() {
    let server = server().await;
    let enroll = |arguments: &[&str]| {
        let all: Vec<&str> = ["enroll", "welcome"].iter().chain(arguments).copied().collect();
        server.run(&all)
    };
    let told = enroll(&["--customer", "lin", "--run", "first", "-p", "city=Shanghai"]);
    assert_eq!(told, "run first: 1 taken, 0 taken before, 0 unknown\n");
    assert_eq!(city(&server, "lin").await, "Shanghai");
    let table = server.write("customers.csv", "customer,city\nlin,Beijing\nann,Suzhou\n");
    // Whoever was taken in this run is not taken again.
    let told = enroll(&["--file", &table, "--run", "first"]);
    assert_eq!(told, "run first: 1 taken, 1 taken before, 0 unknown\n");
    assert_eq!(city(&server, "ann").await, "Suzhou");
    let lines = server.write("customers.jsonl", "{\"customer\":\"bob\",\"properties\":{}}\n");
    enroll(&["--file", &lines]);
    assert_eq!(city(&server, "bob").await, "unknown");
    assert_eq!(city(&server, "lin").await, "Shanghai");
}

#[tokio::test]
async fn who_cannot_be_enrolled_is_told() {
    let server = server().await;
    let path = "/v1/journeys/welcome/enrollments";
    let body = json!([{ "id": "1", "customer": "lin" }, { "id": "2", "customer": "nobody" }]);
    let (status, answer) = server.request(Method::POST, path, &body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    assert_eq!(answer["results"], json!(["accepted", "unknown_customer"]));
    for (path, body, expected, says) in [
        (
            "/v1/journeys/nothing/enrollments",
            body.clone(),
            StatusCode::NOT_FOUND,
            "journey `nothing`",
        ),
        (path, json!([]), StatusCode::UNPROCESSABLE_ENTITY, "1 to 1000"),
        (path, json!([{ "id": "", "customer": "lin" }]), StatusCode::UNPROCESSABLE_ENTITY, "/0/id"),
        (
            path,
            json!([{ "customer": "lin" }]),
            StatusCode::UNPROCESSABLE_ENTITY,
            "missing field `id`",
        ),
    ] {
        let (status, answer) = server.request(Method::POST, path, &body).await;
        assert_eq!(status, expected, "{answer}");
        assert!(answer.to_string().contains(says), "{answer}");
    }
}
