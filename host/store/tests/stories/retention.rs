//! What is old goes whole, what is needed stays, and the file does not grow without bound.

use sqlx::AssertSqlSafe;
use waystation_journey::Status;
use waystation_store::records::{
    Deleted, EffectKind, NewArm, NewAssignment, NewRecording, Pass, RecordingBounds, SplitWinner,
    Subject, Trimming,
};

use super::{ALL, HOUR, NOW, Place, accepted, effect, enrollment, event};

/// Tables with what hangs on an enrollment, and how to see that it hangs on nothing.
const HANGING: [(&str, &str); 8] = [
    ("history", "enrollment not in (select id from enrollment)"),
    ("effect", "enrollment not in (select id from enrollment)"),
    ("effect_body", "effect not in (select key from effect)"),
    ("attempt", "effect not in (select key from effect)"),
    ("intervention", "effect not in (select key from effect)"),
    ("decision", "effect not in (select key from effect)"),
    ("split_arm", "enrollment not in (select id from enrollment)"),
    ("assignment", "enrollment not in (select id from enrollment)"),
];

/// How many rows a question to the database finds.
async fn count(store: &Place, question: &str) -> i64 {
    let question = AssertSqlSafe(format!("select count(*) from {question}"));
    sqlx::query_scalar(question).fetch_one(&mut store.home.connect().await).await.unwrap()
}

/// An enrollment that ended at a time, after it was sent a message that ended too; with a line of history, an arm and an
/// assignment that is done.
pub(crate) async fn ended(store: &Place, id: &str, at: i64) {
    let key = format!("{id}-1");
    let arm = NewArm {
        enrollment: id.to_owned(),
        journey: "hello".to_owned(),
        split: "offer".to_owned(),
        arm: "a".to_owned(),
    };
    let assignment = NewAssignment {
        key: format!("{id}-2"),
        enrollment: id.to_owned(),
        customer: "c-1".to_owned(),
        journey: "hello".to_owned(),
        step: "steps[1]".to_owned(),
        assignee: "sales".to_owned(),
        note: "call".to_owned(),
        due_at: None,
    };
    let begun = Pass {
        now: at,
        enrolled: vec![enrollment(id)],
        effects: vec![effect(&key, EffectKind::Send)],
        arms: vec![arm],
        assignments: vec![assignment],
        ..Pass::default()
    };
    store.commit(begun).await.unwrap();
    let verdicts = vec![(key.clone(), waystation_store::records::Verdict::Attempt)];
    assert_eq!(store.attempt(verdicts, "digest".to_owned(), at).await.unwrap().len(), 1);
    store.settle(vec![accepted(&key)], at).await.unwrap();
    let done = format!("{id}-2");
    store.complete_assignment(done, "reached".to_owned(), "test".to_owned(), at).await.unwrap();
    let mut over = enrollment(id);
    let read = over.seq;
    over.seq += 1;
    over.status = Status::Finished;
    over.ended_at = Some(at);
    let finished = Pass {
        now: at,
        settled: vec![key],
        advanced: vec![(read, over)],
        history: vec![(id.to_owned(), 1, "[]".to_owned())],
        ended: vec![id.to_owned()],
        ..Pass::default()
    };
    store.commit(finished).await.unwrap();
}

async fn trim(store: &Place, whole: &[&str], but_row: &[&str], counted_since: i64) -> Deleted {
    let texts = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    let trimming = Trimming { whole: texts(whole), but_row: texts(but_row), counted_since };
    store.trim(trimming).await.unwrap()
}

async fn nothing_hangs_on_nothing(store: &Place) {
    for (table, loose) in HANGING {
        assert_eq!(count(store, &format!("{table} where {loose}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn an_old_enrollment_goes_with_all_that_hangs_on_it() {
    let store = Place::new().await;
    ended(&store, "e-1", NOW).await;
    ended(&store, "e-2", NOW + HOUR).await;
    let old = store.ended(NOW + HOUR, (i64::MIN, ""), ALL).await.unwrap();
    assert_eq!(old.len(), 1);
    assert_eq!((old[0].id.as_str(), old[0].ended_at, old[0].undecided), ("e-1", NOW, true));
    let deleted = trim(&store, &["e-1"], &[], NOW + HOUR).await;
    // Body, attempt, effect, history, assignment, arm.
    assert_eq!((deleted.rows, deleted.others), (1, 6));
    nothing_hangs_on_nothing(&store).await;
    assert!(store.enrollment("e-1").await.unwrap().is_none());
    assert!(store.effect("e-1-1").await.unwrap().is_none());
    for (table, _) in
        HANGING.iter().filter(|(table, _)| !["intervention", "decision"].contains(table))
    {
        assert_eq!(count(&store, table).await, 1, "{table} of the other enrollment");
    }
    let reopened = store.reopened().await;
    assert!(reopened.enrollment("e-2").await.unwrap().is_some());
    nothing_hangs_on_nothing(&reopened).await;
}

#[tokio::test]
async fn the_row_of_an_enrollment_stays_where_it_is_needed_and_is_not_looked_at_again() {
    let store = Place::new().await;
    ended(&store, "e-1", NOW).await;
    let deleted = trim(&store, &[], &["e-1"], NOW + HOUR).await;
    assert_eq!((deleted.rows, deleted.others), (1, 5));
    let work = store.work(NOW, ALL, 0).await.unwrap();
    assert!(work.settled.is_empty());
    assert_eq!(store.enrollment("e-1").await.unwrap().unwrap().status, Status::Finished);
    assert_eq!(store.split_counts("hello", "offer").await.unwrap()[0].entered, 1);
    assert!(store.history("e-1", 0, ALL).await.unwrap().is_empty());
    assert!(store.ended(NOW + HOUR, (i64::MIN, ""), ALL).await.unwrap().is_empty());
    // The customer is still known as one who was there.
    let again = vec![event("test", "1", Subject::Customer("c-1".to_owned()))];
    store.take_events(again, NOW).await.unwrap();
    let former = store.work(NOW, ALL, 0).await.unwrap().former;
    let place = ("c-1".to_owned(), "hello".to_owned(), "e-1".to_owned());
    assert_eq!(former.get(&place).map(|one| (one.active, one.over_at)), Some((false, NOW)));
}

#[tokio::test]
async fn a_decided_split_needs_nobody_any_more() {
    let store = Place::new().await;
    ended(&store, "e-1", NOW).await;
    let winner = SplitWinner {
        journey: "hello".to_owned(),
        split: "offer".to_owned(),
        arm: "a".to_owned(),
        decided_at: NOW,
        decided_by: "test".to_owned(),
        figures: "[]".to_owned(),
    };
    assert!(store.decide_split(winner, false).await.unwrap());
    assert!(!store.ended(NOW + HOUR, (i64::MIN, ""), ALL).await.unwrap()[0].undecided);
}

#[tokio::test]
async fn nothing_goes_that_is_active_open_counted_or_to_be_done() {
    let store = Place::new().await;
    store.enroll("active", vec![]).await;
    ended(&store, "open", NOW).await;
    let late =
        Pass { now: NOW, effects: vec![effect("open-9", EffectKind::Revoke)], ..Pass::default() };
    store.commit(late).await.unwrap();
    ended(&store, "counted", NOW + HOUR).await;
    ended(&store, "to-do", NOW).await;
    let to_do = NewAssignment {
        key: "to-do-9".to_owned(),
        enrollment: "to-do".to_owned(),
        customer: "c-1".to_owned(),
        journey: "hello".to_owned(),
        step: "steps[1]".to_owned(),
        assignee: "sales".to_owned(),
        note: "call".to_owned(),
        due_at: None,
    };
    store.commit(Pass { now: NOW, assignments: vec![to_do], ..Pass::default() }).await.unwrap();
    let all = ["active", "open", "counted", "to-do"];
    for but_row in [false, true] {
        let (whole, row): (&[&str], &[&str]) = if but_row { (&[], &all) } else { (&all, &[]) };
        let deleted = trim(&store, whole, row, NOW + HOUR).await;
        assert_eq!((deleted.rows, deleted.others), (0, 0));
    }
    // The message counts for no limit any more.
    assert_eq!(trim(&store, &["counted"], &[], NOW + HOUR + 1).await.rows, 1);
    store
        .complete_assignment("to-do-9".to_owned(), "reached".to_owned(), "test".to_owned(), NOW)
        .await
        .unwrap();
    assert_eq!(trim(&store, &["to-do"], &[], NOW + HOUR + 1).await.rows, 1);
    nothing_hangs_on_nothing(&store).await;
}

#[tokio::test]
async fn events_go_when_they_are_dealt_with_old_and_not_the_newest_that_is_asked_for() {
    let store = Place::new().await;
    let mut events = Vec::new();
    for (number, (name, at)) in
        [("login", 0), ("login", 1), ("paid", 2), ("paid", 3), ("paid", 2 * HOUR), ("open", 0)]
            .into_iter()
            .enumerate()
    {
        let subject = Subject::Customer("c-1".to_owned());
        let mut one = event("test", &number.to_string(), subject);
        one.name = name.to_owned();
        one.at = NOW + at;
        events.push(one);
    }
    store.take_events(events, NOW).await.unwrap();
    let open = store.work(NOW, ALL, 0).await.unwrap().events;
    let dealt_with = open.iter().filter(|one| one.event.name != "open");
    let dealt_with = dealt_with.map(|one| one.position).collect();
    store.commit(Pass { now: NOW, events: dealt_with, ..Pass::default() }).await.unwrap();
    let old = store.old_events(0, NOW + HOUR, &["login"], ALL).await.unwrap();
    let needed: Vec<bool> = old.iter().map(|one| one.needed).collect();
    // The newest login; what is dated later than it came; what is open.
    assert_eq!(needed, [false, true, false, false, true, true]);
    let all = old.iter().map(|one| one.position).collect();
    assert_eq!(store.delete_events(all).await.unwrap().rows, 5, "what is open stays");
    assert_eq!(store.work(NOW, ALL, 0).await.unwrap().events.len(), 1);
}

#[tokio::test]
async fn old_recordings_go() {
    let store = Place::new().await;
    let recording = |at: i64| NewRecording {
        connection: "notice".to_owned(),
        function: "channel.send".to_owned(),
        release: "digest".to_owned(),
        at,
        body: "{}".to_owned(),
    };
    let bounds = RecordingBounds { connection: "notice".to_owned(), keep: 10, bytes: 1_000 };
    let recordings = [NOW, NOW + 1, NOW + HOUR].map(recording).into();
    store.record(recordings, vec![bounds]).await.unwrap();
    assert_eq!(store.delete_recordings(NOW + HOUR, 1).await.unwrap().rows, 1);
    assert_eq!(store.delete_recordings(NOW + HOUR, 5).await.unwrap().rows, 1);
    assert_eq!(store.delete_recordings(NOW + HOUR, 5).await.unwrap().rows, 0);
    assert_eq!(store.recordings("notice", 0, ALL).await.unwrap().len(), 1);
}
