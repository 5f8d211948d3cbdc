//! A channel that is a trigger source too, as a provider needs that posts answers and delivery reports to one address.
//!
//! A request's body has a line for each: `answer ID` for an event, `report KEY` for a delivery report, and `report` alone for
//! one that says nothing of its message.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package waystation:two-way;
        world two-way {
            include waystation:plugin/channel-plugin@1.0.0;
            export waystation:plugin/trigger-source@1.0.0;
        }
    ",
    world: "waystation:two-way/two-way",
    generate_all,
});

use exports::waystation::plugin::{
    channel,
    plugin::{self, Manifest, Problem},
    trigger_source::{self, Event, Polled, Subject, Subscription},
};
use waystation::plugin::types::{HttpRequest, HttpResponse, Report, ReportKind};

struct TwoWay;

impl plugin::Guest for TwoWay {
    fn describe() -> Manifest {
        Manifest {
            name: "two-way".to_owned(),
            version: "0.1.0".to_owned(),
            title: "Two-way".to_owned(),
            summary: "For the host's tests.".to_owned(),
            vendor: "Waystation".to_owned(),
            license: "Apache-2.0".to_owned(),
            config_schema: String::new(),
            permissions: Vec::new(),
            extras: Vec::new(),
        }
    }

    fn check() -> Result<(), Vec<Problem>> {
        Ok(())
    }
}

impl channel::Guest for TwoWay {
    fn get_traits() -> channel::Traits {
        channel::Traits {
            address: "wechat-openid".to_owned(),
            contents: vec!["text".to_owned()],
            max_batch: 1,
            dedupe_window: None,
            finds: false,
            reports: true,
            extras: Vec::new(),
        }
    }

    fn send(messages: Vec<channel::Message>) -> Vec<channel::Outcome> {
        messages.iter().map(|_| channel::Outcome::Unknown("not sent".to_owned())).collect()
    }

    fn find(_keys: Vec<String>) -> Vec<Option<channel::Outcome>> {
        Vec::new()
    }

    fn receive(_request: HttpRequest) -> Result<channel::Reception, String> {
        Err("the hook is the trigger source's".to_owned())
    }
}

impl trigger_source::Guest for TwoWay {
    fn get_traits() -> trigger_source::Traits {
        trigger_source::Traits {
            subscription_schema: String::new(),
            event_names: vec!["chat.answered".to_owned()],
            hooks: true,
            polls: false,
            extras: Vec::new(),
        }
    }

    fn receive(
        request: HttpRequest,
        _subscriptions: Vec<Subscription>,
    ) -> Result<trigger_source::Reception, String> {
        let body = String::from_utf8(request.body).map_err(|error| error.to_string())?;
        let (mut events, mut reports) = (Vec::new(), Vec::new());
        for line in body.lines() {
            match line.split_once(' ') {
                Some(("answer", id)) => events.push(answered(id)),
                Some(("report", key)) => reports.push(delivered(Some(key.to_owned()))),
                _ => reports.push(delivered(None)),
            }
        }
        let response = HttpResponse { status: 200, headers: Vec::new(), body: Vec::new() };
        Ok(trigger_source::Reception { response, events, reports })
    }

    fn poll(_: Vec<Subscription>, _: Option<String>) -> Result<Polled, String> {
        Err("there is nothing to poll".to_owned())
    }
}

fn answered(id: &str) -> Event {
    Event {
        id: id.to_owned(),
        name: "chat.answered".to_owned(),
        subject: Subject::Customer("c1".to_owned()),
        at: 0,
        properties: "{}".to_owned(),
        subscription: None,
    }
}

fn delivered(key: Option<String>) -> Report {
    Report {
        key,
        provider_id: None,
        kind: ReportKind::Delivered,
        at: 0,
        // Longer than the host keeps.
        detail: Some("x".repeat(2_000)),
        extras: Vec::new(),
    }
}

export!(TwoWay);
