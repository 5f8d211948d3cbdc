//! Limits against a count by hand.

use proptest::prelude::*;

use crate::{DAY, HOUR, decided, lin, policy, program};
use waystation_journey::Counted;

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Messages come due at random; whatever goes out is counted. No stretch of time ever holds more than the limit says.
    #[test]
    fn no_stretch_of_time_ever_holds_more_than_the_limit(
        pauses in proptest::collection::vec(0..20 * HOUR, 1..60),
        most in 1..5_usize,
        hours in 1..72_i64,
        skip in any::<bool>(),
    ) {
        let over = if skip { "skip" } else { "wait" };
        let policy = policy(&format!("limits: {{ messages: {most}, per: {hours}h, over: {over} }}"));
        let program = program("cart", "");
        let mut taken: Vec<Counted> = Vec::new();
        let mut now = 400 * DAY;
        for (number, pause) in pauses.into_iter().enumerate() {
            now += pause;
            let told = decided(&policy, &program, &lin(), &taken, now);
            let room = taken.iter().filter(|one| one.at > now - hours * HOUR).count() < most;
            prop_assert_eq!(told.starts_with("go"), room, "{}", told);
            if room {
                taken.push(Counted {
                    key: format!("m-{number}"),
                    journey: "cart".to_owned(),
                    connection: "sms".to_owned(),
                    step: format!("steps[{number}]"),
                    tags: Vec::new(),
                    at: now,
                });
            }
        }
        for one in &taken {
            let stretch = taken.iter().filter(|other| other.at > one.at - hours * HOUR && other.at <= one.at);
            prop_assert!(stretch.count() <= most);
        }
    }
}
