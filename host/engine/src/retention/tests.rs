use waystation_journey::{Policy, check, check_segment};
use waystation_store::records::EndedRow;

use super::{DAY, Fate, Rules, needs};
use crate::programs::Programs;

/// When every enrollment here ended; it began a day before.
const ENDED: i64 = 1_750_000_000_000;
const KEEP: i64 = 100 * DAY;

fn rules(journey: &str, policy: &str, days_after: i64) -> Rules {
    let file = format!(
        "{{ journey: j, entry: {{ event: begin, again: always }}, {journey} steps: [{{ wait: 1h }}] }}"
    );
    let file = match journey.strip_prefix("again ") {
        Some(again) => {
            format!(
                "{{ journey: j, entry: {{ event: begin, again: {again} }}, steps: [{{ wait: 1h }}] }}"
            )
        }
        None => file,
    };
    let checked = check(&file, None);
    let program = checked.program.unwrap_or_else(|| panic!("{:?}", checked.problems));
    let programs = Programs::default();
    programs.put(1, std::sync::Arc::new(program), true);
    let policy = Policy::check(policy).policy.unwrap();
    Rules::new(&programs.picture(), &policy, KEEP, ENDED + days_after * DAY)
}

fn row() -> EndedRow {
    EndedRow {
        id: "e-1".to_owned(),
        journey: "j".to_owned(),
        enrolled_at: ENDED - DAY,
        ended_at: ENDED,
        goal_reached: false,
        undecided: false,
    }
}

#[test]
fn an_enrollment_goes_when_nothing_needs_it_any_more() {
    let undecided = EndedRow { undecided: true, ..row() };
    let reached = EndedRow { goal_reached: true, ..row() };
    let foreign = EndedRow { journey: "another".to_owned(), ..row() };
    let goal = "goal: { event: paid, within: 200d },";
    let cases = [
        ("kept for as long as is set", "", row(), 100, Fate::Stays),
        ("old", "", row(), 101, Fate::Goes),
        ("entered once only", "again never", row(), 101, Fate::ButRow),
        ("entered again later", "again { after: 150d }", row(), 149, Fate::Stays),
        ("entered again now", "again { after: 150d }", row(), 150, Fate::Goes),
        ("its goal may be reached", goal, row(), 199, Fate::Stays),
        ("its goal is out of reach", goal, row(), 200, Fate::Goes),
        ("its goal is reached", goal, reached, 101, Fate::Goes),
        ("a goal without a time", "goal: { event: paid },", row(), 101, Fate::Goes),
        ("its split is not decided", "", undecided, 101, Fate::ButRow),
        ("its journey is not loaded", "", foreign, 1_000, Fate::Stays),
    ];
    for (name, journey, row, days, expected) in cases {
        assert_eq!(rules(journey, "{}", days).fate(&row), expected, "{name}");
    }
}

#[test]
fn the_strictest_version_of_a_journey_decides() {
    let programs = Programs::default();
    for (version, again) in [(1, "never"), (2, "always")] {
        let file = format!(
            "{{ journey: j, entry: {{ event: begin, again: {again} }}, steps: [{{ wait: 1h }}] }}"
        );
        let program = check(&file, None).program.unwrap();
        programs.put(version, std::sync::Arc::new(program), true);
    }
    let rules = Rules::new(&programs.picture(), &Policy::default(), KEEP, ENDED + 101 * DAY);
    assert_eq!(rules.fate(&row()), Fate::ButRow);
}

#[test]
fn messages_stay_for_the_longest_limit() {
    let counted = |journey: &str, policy: &str| {
        let rules = rules(journey, policy, 0);
        (ENDED - rules.counted_since) / DAY
    };
    assert_eq!(counted("", "{}"), 0);
    assert_eq!(counted("limits: [{ messages: 1, per: 365d }],", "{}"), 365);
    let policy = "{ limits: [{ messages: 1, per: 30d }, { messages: 2, per: 366d }] }";
    assert_eq!(counted("limits: [{ messages: 1, per: 90d }],", policy), 366);
    assert_eq!(counted("", "{ dedupe: 300d }"), 300);
}

#[test]
fn events_stay_for_the_longest_window_of_any_journey_or_segment() {
    let programs = Programs::default();
    let file = "{ journey: j, entry: { event: begin, when: 'count(\"paid\", \"90d\") > 1' }, \
                steps: [{ if: 'days_since(\"login\") > 3', then: [{ wait: 1h }] }] }";
    programs.put(1, std::sync::Arc::new(check(file, None).program.unwrap()), false);
    let file = "{ segment: loyal, when: 'sum(\"paid\", \"amount\", \"700d\") > 100 && last(\"seen\") > 0' }";
    let segments = programs.picture().segments.as_ref().clone();
    let segment = check_segment(file, &segments).segment.unwrap();
    programs.put_segments(segments.with(segment).unwrap());
    let needs = needs(&programs.picture());
    let windows: Vec<(&str, i64, bool)> = needs
        .events
        .iter()
        .map(|(name, need)| (name.as_str(), need.window / DAY, need.latest))
        .collect();
    assert_eq!(windows, [("login", 0, true), ("paid", 700, false), ("seen", 0, true)]);
}
