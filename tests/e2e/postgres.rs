//! PostgreSQL in the place of the database file.

use waystation_services::postgres::Database;

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
