//! Events: one for each line of a request's body, `id name properties`; a report for an empty body; and one poll after the
//! other.

use crate::{
    Probe,
    exports::waystation::plugin::trigger_source::{
        Event, Guest, HttpRequest, Polled, Reception, Subject, Subscription, Traits,
    },
    waystation::plugin::{
        clock,
        types::{HttpResponse, Report, ReportKind},
    },
};

impl Guest for Probe {
    fn get_traits() -> Traits {
        Traits {
            subscription_schema: r#"{"type":"object"}"#.to_owned(),
            event_names: vec!["probe.seen".to_owned()],
            hooks: true,
            polls: true,
            extras: Vec::new(),
        }
    }

    fn receive(
        request: HttpRequest,
        subscriptions: Vec<Subscription>,
    ) -> Result<Reception, String> {
        let body =
            String::from_utf8(request.body).map_err(|_| "the body is not text".to_owned())?;
        let events =
            body.lines().map(|line| event(line, &subscriptions)).collect::<Result<Vec<_>, _>>()?;
        Ok(Reception {
            response: HttpResponse { status: 202, headers: vec![], body: b"taken".to_vec() },
            events,
            // Which only a channel may send.
            reports: if body.is_empty() { vec![report()] } else { Vec::new() },
        })
    }

    fn poll(subscriptions: Vec<Subscription>, cursor: Option<String>) -> Result<Polled, String> {
        let count: u64 = cursor
            .as_deref()
            .unwrap_or("0")
            .parse()
            .map_err(|_| "the cursor is not mine".to_owned())?;
        let line = format!("poll-{count} probe.seen {{}}");
        // Due at once, which the host puts off.
        Ok(Polled {
            events: vec![event(&line, &subscriptions)?],
            cursor: Some((count + 1).to_string()),
            next_at: 0,
        })
    }
}

fn report() -> Report {
    Report {
        key: Some("k1".to_owned()),
        provider_id: None,
        kind: ReportKind::Delivered,
        at: 0,
        detail: None,
        extras: Vec::new(),
    }
}

fn event(line: &str, subscriptions: &[Subscription]) -> Result<Event, String> {
    let mut words = line.splitn(3, ' ');
    let (Some(id), Some(name), Some(properties)) = (words.next(), words.next(), words.next())
    else {
        return Err(format!("the line {line:?} is not an identifier, a name and properties"));
    };
    Ok(Event {
        id: id.to_owned(),
        name: name.to_owned(),
        subject: Subject::Customer("c1".to_owned()),
        at: clock::now(),
        properties: properties.to_owned(),
        subscription: subscriptions.first().map(|subscription| subscription.id.clone()),
    })
}
