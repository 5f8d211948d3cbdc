//! PostgreSQL in the place of the database file.

use waystation_services::certificates::Certificates;
use waystation_services::postgres::{self, Database};

use crate::first_journey::{JOURNEY, add_to_cart, customer, ended, shop_server};
use crate::mail::MailServer;
use crate::server::Server;

const VARIABLE: &str = "WAYSTATION_DATABASE";

/// Starts the process again and waits until it listens.
fn start_again(server: &mut Server) {
    let listens = server.spawn().any(|line| line.starts_with("listening on "));
    assert!(listens, "{}", server.log());
}

#[tokio::test]
async fn a_cart_leads_to_a_coupon_in_a_mailbox() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let database = Database::new();
    let mut server = Server::with(Some(&mail.url()), vec![(VARIABLE, database.url().to_owned())]);
    server.run(&["settings", "set", "unsigned-plugins", "allow"]);
    server.set_up();
    server.apply(JOURNEY);
    customer(&server, "han", "han", true).await;
    add_to_cart(&server, "han").await;
    assert_eq!(ended(&server, "han").await["outcome"], "finished", "{}", server.log());
    assert_eq!(mail.mails().len(), 2, "{}", server.log());
    assert!(!server.folder().join("data/waystation.db").exists());

    // Another machine has the database and none of the files but the key.
    server.kill();
    for component in std::fs::read_dir(server.folder().join("data/releases")).unwrap() {
        std::fs::remove_file(component.unwrap().path()).unwrap();
    }
    start_again(&mut server);
    customer(&server, "li", "li", true).await;
    add_to_cart(&server, "li").await;
    assert_eq!(ended(&server, "li").await["outcome"], "finished", "{}", server.log());
    assert_eq!(mail.mails().len(), 4, "{}", server.log());
}

#[tokio::test]
async fn a_workspace_moves_while_a_customer_is_inside() {
    let folder = tempfile::tempdir().unwrap();
    let mail = MailServer::start(folder.path());
    let mut server = shop_server(&mail);
    customer(&server, "han", "han", true).await;
    add_to_cart(&server, "han").await;
    server.until("the first mail", async || (mail.mails().len() == 1).then_some(())).await;
    let database = Database::new();
    let copy = |server: &Server| {
        let mut command = server.prepare(&["copy", "--data", "data"]);
        command.env(VARIABLE, database.url()).output().unwrap()
    };
    let refused = copy(&server);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("another server uses"), "{said}");
    assert!(server.terminate().success());
    let done = copy(&server);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("1  enrollment\n") && said.contains("3  release_body\n"), "{said}");
    let again = copy(&server);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && said.contains("not empty"), "{said}");

    std::fs::remove_file(server.folder().join("data/waystation.db")).unwrap();
    server.set_environment(VARIABLE, database.url());
    start_again(&mut server);
    assert_eq!(ended(&server, "han").await["outcome"], "finished", "{}", server.log());
    assert_eq!(mail.mails().len(), 2, "{}", server.log());
    // The same token opens it, and what was counted goes on being counted.
    add_to_cart(&server, "han").await;
    customer(&server, "li", "li", true).await;
    add_to_cart(&server, "li").await;
    assert_eq!(ended(&server, "li").await["outcome"], "finished", "{}", server.log());
    assert_eq!(mail.mails().len(), 4, "{}", server.log());
}

#[tokio::test]
async fn a_workspace_moves_from_one_server_to_another() {
    let (from, to) = (Database::new(), Database::new());
    let environment = |database: &Database| {
        let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned();
        vec![(VARIABLE, database.url().to_owned()), ("WAYSTATION_KEY", key)]
    };
    // Whatever the server calls itself, it is seen to be at work.
    let mut named = environment(&from);
    named[0].1.push_str("?application_name=another");
    let mut server = Server::with(None, named);
    server.run(&["settings", "set", "unsigned-plugins", "allow"]);
    server.set_up_without_mail();
    customer(&server, "han", "han", true).await;
    add_to_cart(&server, "han").await;
    let copy = |server: &Server| {
        let mut command = server.prepare(&["copy", "--from", from.url()]);
        command.env(VARIABLE, to.url()).output().unwrap()
    };
    let refused = copy(&server);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("is in use; stop the servers"), "{said}");
    assert!(server.terminate().success());
    let done = copy(&server);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("1  customer\n") && said.contains("3  release_body\n"), "{said}");
    let again = copy(&server);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && said.contains("not empty"), "{said}");

    // With the same token, and with the components out of the database.
    let moved = server.beside(environment(&to));
    assert_eq!(moved.get("/v1/customers/han").await["id"], "han");
    add_to_cart(&moved, "han").await;
    let events = to.run("select count(*) from event");
    assert_eq!(events, "1", "the event's identifier was taken before it moved");
}

#[tokio::test]
async fn a_server_is_reached_by_tls_and_one_that_nobody_vouches_for_is_not() {
    let (own, strange) = (Certificates::new(), Certificates::new());
    if let Some(user) = postgres::user() {
        own.give_key_to(user);
    }
    let certificate = format!("ssl_cert_file={}", own.certificate().display());
    let key = format!("ssl_key_file={}", own.key().display());
    let database = postgres::Server::start(&["ssl=on", &certificate, &key]);
    let name = database.create_database();
    let url = |mode: &str, certificates: &Certificates| {
        let root = certificates.root();
        format!("{}?sslmode={mode}&sslrootcert={}", database.url(&name), root.display())
    };
    let server = Server::with(None, vec![(VARIABLE, url("verify-full", &own))]);
    let sessions = "from pg_stat_ssl join pg_stat_activity using (pid) where application_name like 'waystation%'";
    let sessions = database.run(&format!("select bool_and(ssl), count(*) > 1 {sessions}"));
    assert_eq!(sessions, "t|t", "every session is encrypted");

    for mode in ["verify-ca", "verify-full"] {
        let refused = server
            .prepare(&["serve", "--listen", "127.0.0.1:0", "--data", "other"])
            .env(VARIABLE, url(mode, &strange))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains("certificate"), "{mode}: {said}");
    }
    let plain = postgres::Server::start(&[]);
    let plain_url = format!("{}?sslmode=require", plain.url(&plain.create_database()));
    let refused = server
        .prepare(&["serve", "--listen", "127.0.0.1:0", "--data", "other"])
        .env(VARIABLE, plain_url)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("TLS"), "{said}");
}
