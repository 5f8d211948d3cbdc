//! Journeys as pictures.

mod mermaid;
mod svg;

use waystation_journey::{Diagram, check};

const EVERYTHING: &str = include_str!("everything.yaml");
const CART: &str = include_str!("../shop/cart-unpaid-reminder.yaml");

#[track_caller]
fn diagram(source: &str) -> Diagram {
    let checked = check(source, None);
    checked.program.unwrap_or_else(|| panic!("{:?} in\n{source}", checked.problems)).diagram()
}

/// The diagram of a journey with these steps. There are templates `hello` and `bye`.
#[track_caller]
fn of_steps(steps: &str) -> Diagram {
    diagram(&format!(
        "journey: a\nentry: {{ event: go }}\nsteps: {steps}\ntemplates: {{ hello: {{ en: {{ text: hi }} }}, bye: {{ en: {{ text: bye }} }} }}\n"
    ))
}
