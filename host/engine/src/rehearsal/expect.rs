//! What a test expects, held against what came.

use std::collections::BTreeMap;

use waystation_journey::{Expect, ExpectedSend, Test};

use super::memory::{Memory, Taken, outcome};

/// What was expected and did not come.
pub(super) fn failures(journey: &str, test: &Test, start: i64, memory: &Memory) -> Vec<String> {
    let mut all = Vec::new();
    for expect in &test.expect {
        let mut held = Held { expect, journey, start, memory, failures: Vec::new() };
        held.messages();
        held.numbers();
        held.endings();
        held.customers(test);
        all.append(&mut held.failures);
    }
    all
}

struct Held<'a> {
    expect: &'a Expect,
    journey: &'a str,
    start: i64,
    memory: &'a Memory,
    failures: Vec<String>,
}

impl Held<'_> {
    fn is_meant(&self, customer: &str) -> bool {
        self.expect.customer.as_ref().is_none_or(|meant| meant == customer)
    }

    fn taken(&self, post: bool) -> impl Iterator<Item = &Taken> {
        self.memory.taken.iter().filter(move |one| {
            one.post == post && one.journey == self.journey && self.is_meant(&one.customer)
        })
    }

    fn fail(&mut self, message: &str) {
        let whose = self.expect.customer.as_ref().map_or(String::new(), |id| format!("{id}: "));
        self.failures.push(format!("line {}: {whose}{message}", self.expect.line));
    }

    fn compare<T: PartialEq + std::fmt::Display>(
        &mut self,
        what: &str,
        expected: Option<T>,
        came: &T,
    ) {
        if let Some(expected) = expected.filter(|expected| expected != came) {
            self.fail(&format!("expected {what} {expected}, came {came}"));
        }
    }

    fn messages(&mut self) {
        let sends = self.taken(false).count() as u64;
        self.compare("sends", self.expect.sends, &sends);
        let posts = self.taken(true).count() as u64;
        self.compare("posts", self.expect.posts, &posts);
        let Some(expected) = &self.expect.sent else { return };
        let came: Vec<&Taken> = self.taken(false).collect();
        let same = came.len() == expected.len()
            && came.iter().zip(expected).all(|(one, expected)| self.fits(one, expected));
        if !same {
            let expected = list(expected.iter().map(|one| self.expected_send(one)));
            let came = list(came.iter().map(|one| self.sent(one)));
            self.fail(&format!("expected sent {expected}, came {came}"));
        }
    }

    fn fits(&self, one: &Taken, expected: &ExpectedSend) -> bool {
        one.template == expected.template
            && expected.channel.as_ref().is_none_or(|channel| *channel == one.connection)
            && expected.at.is_none_or(|at| one.at - self.start == at)
    }

    fn expected_send(&self, expected: &ExpectedSend) -> String {
        let channel =
            expected.channel.as_ref().map_or(String::new(), |channel| format!(" by {channel}"));
        let at = expected.at.map_or(String::new(), |at| format!(" at {}", span(at)));
        format!("{}{channel}{at}", expected.template)
    }

    fn sent(&self, one: &Taken) -> String {
        format!("{} by {} at {}", one.template, one.connection, span(one.at - self.start))
    }

    fn numbers(&mut self) {
        let grants = self
            .memory
            .grants
            .iter()
            .filter(|(customer, _)| self.is_meant(customer))
            .flat_map(|(_, grants)| grants)
            .filter(|grant| grant.state != "revoked")
            .count() as u64;
        self.compare("grants", self.expect.grants, &grants);
        if let Some(expected) = &self.expect.suppressed {
            let mut came: BTreeMap<String, u64> = BTreeMap::new();
            for (customer, journey, reason) in &self.memory.suppressed {
                if self.is_meant(customer) && journey == self.journey {
                    *came.entry(reason.clone()).or_default() += 1;
                }
            }
            if *expected != came {
                let words = |counts: &BTreeMap<String, u64>| {
                    list(counts.iter().map(|(reason, count)| format!("{reason}: {count}")))
                };
                self.fail(&format!(
                    "expected suppressed {}, came {}",
                    words(expected),
                    words(&came)
                ));
            }
        }
        if let Some(expected) = &self.expect.assigned {
            let came: Vec<&String> = self
                .memory
                .assigned
                .iter()
                .filter(|(customer, _)| self.is_meant(customer))
                .map(|(_, assignee)| assignee)
                .collect();
            if !came.iter().copied().eq(expected) {
                let message = format!(
                    "expected assigned {}, came {}",
                    list(expected.iter().cloned()),
                    list(came.into_iter().cloned())
                );
                self.fail(&message);
            }
        }
    }

    fn endings(&mut self) {
        let enrollments: Vec<_> =
            self.memory.enrollments_of(self.journey, self.expect.customer.as_deref()).collect();
        let goals = enrollments.iter().filter(|one| one.goal_reached_at.is_some()).count() as u64;
        self.compare("goals", self.expect.goals, &goals);
        let Some(expected) = &self.expect.outcomes else { return };
        let came: Vec<&str> = enrollments.iter().map(|one| outcome(one)).collect();
        // One word stands for all, however many there are.
        let same = match expected.as_slice() {
            [word] => !came.is_empty() && came.iter().all(|outcome| outcome == word),
            words => came.iter().eq(words.iter()),
        };
        if !same {
            let message = format!(
                "expected outcome {}, came {}",
                list(expected.iter().cloned()),
                list(came.into_iter().take(20).map(str::to_owned))
            );
            self.fail(&message);
        }
    }

    fn customers(&mut self, test: &Test) {
        if self.expect.tags.is_empty() && self.expect.attributes.is_empty() {
            return;
        }
        let expect = self.expect;
        let meant = |id: &String| expect.customer.as_ref().is_none_or(|meant| meant == id);
        for (id, _) in super::everybody(test).filter(|(id, _)| meant(id)) {
            let Some(customer) = self.memory.customers.get(id) else { continue };
            for tag in expect.tags.iter().filter(|tag| !customer.tags.contains(*tag)) {
                let has = list(customer.tags.iter().cloned());
                self.failures.push(format!(
                    "line {}: {id}: expected the tag {tag}, has {has}",
                    self.expect.line
                ));
            }
            for (name, expected) in &expect.attributes {
                let has = customer.attributes.get(name).unwrap_or(&serde_json::Value::Null);
                if has != expected {
                    self.failures.push(format!(
                        "line {}: {id}: expected {name} to be {expected}, is {has}",
                        self.expect.line
                    ));
                }
            }
        }
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "nothing".to_owned() } else { items.join(", ") }
}

/// A time after the start.
fn span(ms: i64) -> String {
    let day = 24 * 60 * 60 * 1000;
    waystation_journey::Span { days: ms / day, ms: ms % day }.to_string()
}
