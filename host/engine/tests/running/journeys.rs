//! Journeys that change while customers are inside.

use serde_json::Value;
use waystation_engine::{EngineError, InUse, Inside, Operation, Preview, Treatment};
use waystation_journey::{Enrollment, Status, check};
use waystation_store::records::{Filter, NewArm, Pass, TransferKind};

use crate::{HOUR, Host, MINUTE, NOW, until};

impl Host {
    async fn put_in_use(&self, file: &str, inside: Option<Inside>) -> InUse {
        let program = check(file, Some(&self.engine.connections())).program.unwrap();
        let how = Treatment { inside, map: Vec::new() };
        self.engine.apply_journey(file.to_owned(), program, how, "token t").await.unwrap()
    }

    async fn preview(&self, file: &str) -> Vec<Preview> {
        let program = check(file, Some(&self.engine.connections())).program.unwrap();
        let how = Treatment { inside: Some(Inside::Move), map: Vec::new() };
        self.engine.preview_journey(&program, &how).await.unwrap()
    }

    async fn operate(&self, operation: Operation) -> Result<InUse, EngineError> {
        self.engine.operate("j", operation, "token t").await
    }

    /// Waits until nothing is under way with those inside.
    async fn settled(&self) {
        until(async || {
            self.engine.store().open_transfers().await.unwrap().is_empty().then_some(())
        })
        .await;
    }

    async fn state(&self) -> String {
        self.engine.store().journey("j").await.unwrap().unwrap().state
    }

    /// A pass has been made by when this returns.
    async fn pass(&self, customer: &str) {
        self.happen("other", customer).await;
        until(async || {
            (self.engine.store().counts().await.unwrap().events_open == 0).then_some(())
        })
        .await;
    }
}

fn waiting(due: i64) -> impl Fn(&Enrollment) -> bool {
    move |enrollment| enrollment.due_at == Some(due)
}

fn ended(outcome: &'static str) -> impl Fn(&Enrollment) -> bool {
    move |enrollment| enrollment.outcome.as_deref() == Some(outcome)
}

fn journey(steps: &str) -> String {
    format!(
        "journey: j\nentry: {{ event: begin }}\nexit: {{ event: leave, as: stopped }}\n\
         templates: {{ hi: {{ en: {{ text: hi }} }} }}\nsteps: {steps}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_inside_move_and_their_waits_count_from_when_they_began() {
    let host = Host::new().await;
    host.put_in_use(&journey("[{ wait: 24h }, { wait: 1h }]"), None).await;
    for customer in ["c-1", "c-2", "c-3"] {
        host.happen("begin", customer).await;
        host.enrollment(customer, waiting(NOW + 24 * HOUR)).await;
    }
    host.advance(10 * HOUR);
    let longer = journey("[{ set: { tags: a } }, { wait: 48h }]");
    let before = host.preview(&longer).await;
    let row = Preview {
        version: 1,
        from: "steps[0]".to_owned(),
        to: Some("steps[1]".to_owned()),
        customers: 3,
    };
    assert_eq!(before, [row]);
    assert_eq!(host.engine.store().versions("j").await.unwrap().len(), 1, "nothing changed");
    let in_use = host.put_in_use(&longer, Some(Inside::Move)).await;
    assert_eq!((in_use.version, in_use.transfer), (2, Some(TransferKind::Move)));
    for customer in ["c-1", "c-2", "c-3"] {
        let moved = host.enrollment(customer, waiting(NOW + 48 * HOUR)).await;
        assert_eq!(moved.version, 2);
    }
    host.settled().await;
    let transfers = host.engine.store().transfers("j", 10).await.unwrap();
    assert_eq!((transfers[0].done, transfers[0].stayed), (3, 0));
    let moved = host.enrollment("c-1", |_| true).await;
    let history = host.engine.store().history(&moved.id, 0, 10).await.unwrap();
    let last = &history.last().unwrap().entries[0];
    assert_eq!(last["kind"], "moved");
    assert_eq!(last["detail"], "version 1 steps[0] to version 2");
    host.advance(38 * HOUR);
    host.enrollment("c-3", ended("finished")).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_inside_stay_unless_only_texts_differ() {
    let host = Host::new().await;
    host.connect("echo", "echo").await;
    let steps = "[{ wait: 1h }, { send: { use: echo, template: hi } }]";
    host.put_in_use(&journey(steps), None).await;
    host.happen("begin", "c-1").await;
    host.enrollment("c-1", waiting(NOW + HOUR)).await;
    let other = host.put_in_use(&journey("[{ wait: 9h }]"), None).await;
    assert_eq!(other.transfer, None);
    host.happen("begin", "c-2").await;
    assert_eq!(host.enrollment("c-2", waiting(NOW + 9 * HOUR)).await.version, 2);
    assert_eq!(host.enrollment("c-1", |_| true).await.version, 1);
    host.put_in_use(&journey(steps), None).await;
    host.happen("begin", "c-3").await;
    host.enrollment("c-3", waiting(NOW + HOUR)).await;
    // Those of version 1 have the same steps too; those of version 2 have not.
    let copy = host.put_in_use(&journey(steps).replace("text: hi", "text: hello"), None).await;
    assert_eq!(copy.transfer, Some(TransferKind::Copy));
    host.settled().await;
    let versions = ["c-1", "c-2", "c-3"].map(|customer| host.enrollment(customer, |_| true));
    let versions = futures_util::future::join_all(versions).await;
    assert_eq!(versions.iter().map(|one| one.version).collect::<Vec<_>>(), [4, 2, 4]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_inside_leave_in_batches_even_over_a_restart() {
    let host = Host::new().await;
    host.put_in_use(&journey("[{ wait: 24h }]"), None).await;
    for number in 0..1_200 {
        host.happen("begin", &format!("c-{number}")).await;
    }
    host.enrollment("c-1199", waiting(NOW + 24 * HOUR)).await;
    host.put_in_use(&journey("[{ wait: 1h }]"), Some(Inside::Leave)).await;
    let (folder, store) = host.stop().await;
    store.close().await;
    let host = Host::start(folder, NOW).await;
    host.settled().await;
    let counts = host.engine.store().enrollment_counts("j").await.unwrap();
    assert_eq!(counts, [("left".to_owned(), 1_200)].into());
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_journey_waits_and_goes_on_where_it_was() {
    let host = Host::new().await;
    host.connect("echo", "echo").await;
    let steps = "[{ wait_for: { event: nod, up_to: 1h } }, { send: { use: echo, template: hi } }]";
    host.put_in_use(&journey(steps), None).await;
    for customer in ["c-1", "c-2", "c-3", "c-4"] {
        host.happen("begin", customer).await;
        host.enrollment(customer, waiting(NOW + HOUR)).await;
    }
    assert_eq!(host.operate(Operation::Pause).await.unwrap().state, "paused");
    host.advance(2 * HOUR);
    // Nobody enters, events still count, and what follows from them waits.
    host.happen("begin", "c-5").await;
    host.happen("leave", "c-2").await;
    host.happen("nod", "c-3").await;
    host.enrollment("c-2", ended("stopped")).await;
    host.effect("c-3", |effect| effect.phase == "pending").await;
    host.pass("c-6").await;
    let parked = host.enrollment("c-1", |_| true).await;
    assert_eq!((parked.status, parked.due_at), (Status::Active, Some(NOW + HOUR)));
    // What is put out of reach is not looked at again.
    until(async || {
        let store = host.engine.store();
        let next = store.next_due().await.unwrap().unwrap();
        let effect = store.next_effect("echo").await.unwrap().unwrap();
        (next > NOW + 1_000 * HOUR && effect > NOW + 1_000 * HOUR).then_some(())
    })
    .await;
    let filter = Filter { customer: Some("c-5".to_owned()), limit: 1, ..Filter::default() };
    assert!(host.engine.store().enrollments(&filter).await.unwrap().is_empty());
    // An event that comes to one that is out of reach.
    host.happen("leave", "c-4").await;
    host.enrollment("c-4", ended("stopped")).await;

    // A host that starts anew knows.
    let (folder, store) = host.stop().await;
    store.close().await;
    let host = Host::start(folder, NOW + 3 * HOUR).await;
    host.connect("echo", "echo").await;
    host.pass("c-7").await;
    assert_eq!(host.enrollment("c-1", |_| true).await.status, Status::Active);
    assert_eq!(host.operate(Operation::Resume).await.unwrap().state, "live");
    host.enrollment("c-1", ended("finished")).await;
    host.enrollment("c-3", ended("finished")).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journey_drains_and_is_retired_by_itself() {
    let host = Host::new().await;
    host.put_in_use(&journey("[{ wait: 1h }]"), None).await;
    host.happen("begin", "c-1").await;
    host.enrollment("c-1", waiting(NOW + HOUR)).await;
    host.operate(Operation::Drain).await.unwrap();
    host.happen("begin", "c-2").await;
    host.pass("c-3").await;
    assert_eq!(host.state().await, "draining");
    let error = host.operate(Operation::Pause).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "journey `j` is draining, so it cannot be asked to pause; what is possible now: resume; retire; live, with a version"
    );
    host.advance(HOUR);
    host.enrollment("c-1", ended("finished")).await;
    until(async || {
        host.advance(MINUTE);
        (host.state().await == "retired").then_some(())
    })
    .await;
    let changes = host.engine.store().journey_changes("j", 10).await.unwrap();
    let told: Vec<_> = changes.iter().map(|one| (one.kind.as_str(), one.actor.as_str())).collect();
    assert_eq!(told, [("retired", "waystation"), ("drain", "token t"), ("apply", "token t")]);
    // It can be put into use again.
    let live = host.engine.set_live("j", None, Treatment::default(), "token t").await.unwrap();
    assert_eq!((live.version, live.state.as_str()), (1, "live"));
    host.happen("begin", "c-4").await;
    host.enrollment("c-4", |enrollment| enrollment.status == Status::Active).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_inside_a_retired_journey_leaves() {
    let host = Host::new().await;
    host.put_in_use(&journey("[{ wait: 1h }]"), None).await;
    host.happen("begin", "c-1").await;
    host.enrollment("c-1", waiting(NOW + HOUR)).await;
    // One that is out of reach leaves as well.
    host.operate(Operation::Pause).await.unwrap();
    host.advance(HOUR);
    until(async || {
        host.engine.store().next_due().await.unwrap().filter(|due| *due > NOW + 2 * HOUR)
    })
    .await;
    host.operate(Operation::Retire).await.unwrap();
    host.enrollment("c-1", ended("retired")).await;
    host.settled().await;
    assert_eq!(host.engine.store().next_due().await.unwrap(), None);
    let program = check(&journey("[{ wait: 2h }]"), None).program.unwrap();
    let refused =
        host.engine.apply_journey(String::new(), program, Treatment::default(), "token t").await;
    assert!(refused.unwrap_err().to_string().starts_with("journey `j` is retired"));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_is_put_into_use_when_it_is_asked_for() {
    let host = Host::new().await;
    let draft = async |steps: &str| {
        let program = check(&journey(steps), None).program.unwrap();
        host.engine.draft_journey(journey(steps), program, "token t").await.unwrap()
    };
    assert_eq!(draft("[{ wait: 1h }]").await.state, "draft");
    assert_eq!(draft("[{ wait: 2h }]").await.version, 2);
    host.happen("begin", "c-1").await;
    host.pass("c-2").await;
    let live = host.engine.set_live("j", Some(1), Treatment::default(), "token t").await.unwrap();
    assert_eq!((live.version, live.state.as_str()), (1, "live"));
    host.happen("begin", "c-3").await;
    assert_eq!(host.enrollment("c-3", waiting(NOW + HOUR)).await.version, 1);
    assert_eq!(draft("[{ wait: 3h }]").await.state, "live");
    assert_eq!(host.engine.store().journey("j").await.unwrap().unwrap().live_version, 1);
    let moving = Treatment { inside: Some(Inside::Move), map: Vec::new() };
    host.engine.set_live("j", Some(3), moving, "token t").await.unwrap();
    host.enrollment("c-3", waiting(NOW + 3 * HOUR)).await;
    let missing = host.engine.set_live("j", Some(9), Treatment::default(), "token t").await;
    assert_eq!(missing.unwrap_err().to_string(), "there is no version 9 of journey `j`");
    host.stop().await;
}

const SPLIT: &str = "
journey: j
entry: { event: begin }
goal: { event: paid, within: 1h }
steps:
  - split: offer
    arms:
      - { arm: plain, weight: 1, then: [{ wait: 1h }] }
      - { arm: gift, weight: 1, then: [{ wait: 2h }] }
    winner: automatic
";

/// Customers whose goal is over, of whom so many of each arm reached it.
async fn decided_by(host: &Host, plain: usize, gift: usize) {
    let program = check(SPLIT, None).program.unwrap();
    let (mut enrolled, mut arms) = (Vec::new(), Vec::new());
    for (arm, reached) in [("plain", plain), ("gift", gift)] {
        for number in 0..200 {
            let event = waystation_journey::Event {
                customer: format!("{arm}-{number}"),
                ..Default::default()
            };
            let id = format!("{arm}-{number:03}");
            let mut one =
                Enrollment::new(id.clone(), &program, 1, String::new(), &event, NOW - 2 * HOUR);
            one.goal_reached_at = (number < reached).then_some(NOW - HOUR);
            one.status = Status::Finished;
            enrolled.push(one);
            arms.push(NewArm {
                enrollment: id,
                journey: "j".to_owned(),
                split: "offer".to_owned(),
                arm: arm.to_owned(),
            });
        }
    }
    let pass = Pass { now: NOW, enrolled, arms, ..Pass::default() };
    host.engine.store().commit(pass).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_split_is_decided_by_its_figures_and_by_hand() {
    let host = Host::new().await;
    host.put_in_use(SPLIT, None).await;
    decided_by(&host, 20, 60).await;
    let winner = until(async || {
        host.advance(MINUTE);
        host.engine.splits("j").await.unwrap().remove(0).decided
    })
    .await;
    assert_eq!((winner.arm.as_str(), winner.decided_by.as_str()), ("gift", "waystation"));
    let figures: Value = serde_json::from_str(&winner.figures).unwrap();
    assert_eq!(figures[1], serde_json::json!({ "arm": "gift", "entered": 100, "reached": 60 }));
    let arm = async |customer: &str| {
        host.happen("begin", customer).await;
        let one = host.enrollment(customer, |one| one.due_at.is_some()).await;
        one.due_at.unwrap() - one.enrolled_at
    };
    for customer in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(arm(customer).await, 2 * HOUR, "everybody gets the gift");
    }
    host.engine.decide_split("j", "offer", "plain", "token t").await.unwrap();
    for customer in ["g", "h", "i", "k", "l", "m"] {
        assert_eq!(arm(customer).await, HOUR);
    }
    let error = host.engine.decide_split("j", "offer", "none", "token t").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no arm `none` in split `offer`; it has: plain, gift");
    let (folder, store) = host.stop().await;
    store.close().await;
    let host = Host::start(folder, NOW).await;
    host.happen("begin", "n").await;
    host.enrollment("n", waiting(NOW + HOUR)).await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journey_waits_for_what_came_of_an_assignment() {
    let host = Host::new().await;
    host.put_in_use(
        &journey(
            "[{ assign: { to: sales, note: call }, as: call }, \
             { wait_for: { up_to: 3d, any: [{ event: assignment.done, \
             when: event.key == steps.call.key && event.outcome == 'reached', then: [{ exit: talked }] }] } }]",
        ),
        None,
    )
    .await;
    host.happen("begin", "c-1").await;
    let enrollment = host.enrollment("c-1", |one| one.due_at.is_some()).await;
    let key = format!("{}-1", enrollment.id);
    let done = host.engine.complete_assignment(&key, "reached", "token t").await.unwrap();
    assert_eq!((done.done_by.as_deref(), done.assignee.as_str()), (Some("token t"), "sales"));
    host.enrollment("c-1", ended("talked")).await;
    let again = host.engine.complete_assignment(&key, "reached", "token t").await;
    assert!(again.is_err());
    host.stop().await;
}
