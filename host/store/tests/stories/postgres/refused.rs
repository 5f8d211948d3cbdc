//! Servers and addresses that are not taken.

use waystation_services::postgres;
use waystation_store::{Database, Store, StoreError};

async fn refusal(url: &str) -> String {
    let database: Database = url.parse().unwrap();
    match Store::open(&database).await {
        Err(error @ StoreError::Open { .. }) => error.to_string(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the store was opened"),
    }
}

#[tokio::test]
async fn a_server_that_would_lose_what_it_acknowledged_is_refused() {
    let server = postgres::Server::start(&["fsync=off"]);
    let said = refusal(&server.url("postgres")).await;
    assert!(said.contains("fsync = off"), "{said}");
}

#[tokio::test]
async fn a_database_of_another_encoding_is_refused() {
    let server = postgres::Server::start(&[]);
    let version: u32 = server.run("show server_version_num").parse().unwrap();
    let provider = if version >= 150_000 { "locale_provider libc" } else { "" };
    server.run(&format!(
        "create database bytes encoding 'SQL_ASCII' {provider} locale 'C' template template0"
    ));
    let said = refusal(&server.url("bytes")).await;
    assert!(said.contains("SQL_ASCII") && said.contains("UTF8"), "{said}");
    let said = refusal(&server.url("missing")).await;
    assert!(said.contains("missing") && said.contains("does not exist"), "{said}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    // Nothing listens at port 1.
    let said = refusal("postgres://crm:secret@127.0.0.1:1/workspace?sslmode=disable").await;
    assert!(said.contains("postgres://crm@127.0.0.1:1/workspace"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn addresses_that_cannot_be_meant_are_refused_without_their_password() {
    for (text, why) in [
        ("mysql://crm:secret@db/workspace", "`mysql`"),
        ("postgres://crm:secret@db/workspace?sslmod=require", "`sslmod`"),
        ("postgres://crm:secret@db/workspace?sslmode=perhaps", "perhaps"),
        ("postgres://crm:secret@db:port/workspace", "port"),
    ] {
        let said = text.parse::<Database>().unwrap_err().to_string();
        assert!(said.contains(why) && !said.contains("secret"), "{text}: {said}");
    }
    let address: Database = "postgresql://crm:secret@db/workspace?sslmode=require".parse().unwrap();
    assert_eq!(address.to_string(), "postgres://crm@db:5432/workspace");
    assert!(!format!("{address:?}").contains("secret"));
    assert!(matches!("data/waystation.db".parse(), Ok(Database::Sqlite(_))));
}

#[tokio::test]
async fn days_are_counted_as_everywhere_else() {
    let home = super::Home::new();
    Store::open(&home.database()).await.unwrap();
    let mut conn = home.connect().await;
    for (day, start) in [
        ("1970-01-01", Some(0)),
        ("1969-12-31", Some(-86_400_000)),
        ("2000-02-29", Some(951_782_400_000)),
        ("2000-03-01", Some(951_868_800_000)),
        ("1900-03-01", Some(-2_203_891_200_000)),
        ("0000-01-01", Some(-62_167_219_200_000)),
        ("9999-12-31", Some(253_402_214_400_000)),
        ("1900-02-29", None),
        ("2023-02-29", None),
        ("2024-04-31", None),
        ("2024-13-01", None),
        ("2024-00-10", None),
        ("2024-01-00", None),
        ("2024-1-1", None),
        ("2024-01-01 ", None),
        ("٢٠٢٤-01-01", None),
        ("", None),
    ] {
        let found: Option<i64> =
            sqlx::query_scalar("select midnight($1)").bind(day).fetch_one(&mut conn).await.unwrap();
        assert_eq!(found, start, "{day}");
    }
}
