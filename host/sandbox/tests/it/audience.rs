//! Customers in memory that plugins may read, and how plugins read them.

use std::sync::Arc;

use futures_util::{FutureExt as _, future::BoxFuture};
use waystation_sandbox::{
    Audience, AudienceError, AudienceGrant, AudienceMember, AudiencePage, AudienceQuestion,
    Conditions, Connection,
};

use crate::{guests::connect, messages::order};

/// So many customers with a level and a salary. A condition is `all`, or something that is wrong.
pub(crate) struct Crowd(pub(crate) usize);

impl Crowd {
    /// Leave to see these fields.
    pub(crate) fn grant(self, fields: &[&str]) -> AudienceGrant {
        AudienceGrant {
            fields: fields.iter().map(|name| (*name).to_owned()).collect(),
            conditions: Conditions::Granted,
            source: Arc::new(self),
        }
    }
}

impl Audience for Crowd {
    fn read<'a>(
        &'a self,
        question: AudienceQuestion<'a>,
    ) -> BoxFuture<'a, Result<AudiencePage, AudienceError>> {
        let id = |number: usize| format!("c-{number:05}");
        let page = match question.expression.trim() {
            "all" => {
                let granted = |name: &str| question.grant.fields.contains(name);
                let after =
                    |number: &usize| question.after.is_none_or(|after| *id(*number) > *after);
                let found: Vec<usize> = (1..=self.0).filter(after).collect();
                let members = found.iter().take(question.limit as usize).map(|number| {
                    let fields = [("level", "gold"), ("salary", "5000")];
                    let fields = fields.iter().filter(|(name, _)| granted(name));
                    let fields =
                        fields.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
                    AudienceMember { customer: id(*number), fields: fields.collect() }
                });
                let members: Vec<_> = members.collect();
                let more = members.len() < found.len();
                let next = members.last().filter(|_| more).map(|last| last.customer.clone());
                Ok(AudiencePage { members, next })
            }
            // A host that is at fault itself.
            "leak" => {
                let fields = vec![("salary".to_owned(), "5000".to_owned())];
                let member = AudienceMember { customer: "c-1".to_owned(), fields };
                Ok(AudiencePage { members: vec![member], next: None })
            }
            "away" => Err(AudienceError::Unavailable("the database is away".to_owned())),
            other => Err(AudienceError::Invalid(format!("1:1: `{other}` is no condition"))),
        };
        async { page }.boxed()
    }
}

/// What the plugin got from the host function, as it prints it.
async fn ask(probe: &Connection, words: &str) -> String {
    match probe.run(&[order(words)]).await.remove(0) {
        Ok(json) => serde_json::from_str(&json).expect("the probe answers with a string"),
        Err(failure) => panic!("{words}: {failure:?}"),
    }
}

#[tokio::test]
async fn an_audience_is_read_in_parts_with_the_granted_fields() {
    let probe =
        connect("probe", |settings| settings.audience = Some(Crowd(3).grant(&["level"]))).await;
    assert_eq!(
        ask(&probe, "audience 2 - all").await,
        "c-00001 level=gold, c-00002 level=gold, next c-00002"
    );
    assert_eq!(ask(&probe, "audience 2 c-00002 all").await, "c-00003 level=gold");
    assert_eq!(ask(&probe, "audience 2 c-00003 all").await, "");
}

#[tokio::test]
async fn what_cannot_be_read_is_told_apart() {
    let probe = connect("probe", |settings| settings.audience = Some(Crowd(3).grant(&[]))).await;
    for (words, answer) in [
        ("audience 2 - custmer.level", "Error::Invalid(\"1:1: `custmer.level` is no condition\")"),
        ("audience 2 - away", "Error::Unavailable(\"the database is away\")"),
    ] {
        assert_eq!(ask(&probe, words).await, answer, "{words}");
    }
    let probe = connect("probe", |_| {}).await;
    assert_eq!(ask(&probe, "audience 2 - all").await, "Error::NotGranted");
}
