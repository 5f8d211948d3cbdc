//! What both measurements work on: customers who agreed to messages, one event for each, one journey with one message.

use anyhow::Context as _;
use serde_json::{Map, json};
use waystation_journey::{Lane, Program, check};
use waystation_store::Store;
use waystation_store::records::{CustomerPatch, NewEvent, Subject};

/// The connection that the journey names.
pub(crate) const CHANNEL: &str = "echo";
/// The journey's name.
pub(crate) const JOURNEY: &str = "bench";
/// Events that are handed over together, and the most that the engine works on at once.
pub(crate) const BATCH: usize = 1_000;
/// What plugin `echo` sends to.
pub(crate) const ADDRESS: &str = "phone";

/// A template that renders to about 1 KB of text, as `echo` takes texts.
const FILE: &str = "
journey: bench
purpose: marketing
entry: { event: bench.event, when: event.amount > 0 }
templates:
  offer:
    default:
      text: |
        Dear {{ customer.name }},
        thank you for choosing {{ entry.item }} for {{ entry.amount }}. Because you have been with us in {{ customer.city }}
        for a while, everything in your cart is cheaper until the end of this week, and the parcel comes to your door free
        of charge. Here is what others who bought {{ entry.item }} have chosen most often this month: a linen table cloth,
        two glasses of wild honey from the mountains of the south, a set of bamboo brushes with rests, and a lamp for the
        desk that dims by itself at night.
        {% if entry.amount > 100 %}As you spent more than a hundred, a small gift is added to the parcel.{% endif %}
        You find the full list in the shop, sorted by what suits you best, together with the opening hours of the branch
        that is nearest to {{ customer.city }}. Questions are answered by our service every day from nine to six; a reply to
        this message is enough. If you would rather not hear from us again, tell us so, and this was the last message of
        its kind that we sent to you. With kind regards, also from your colleagues in {{ customer.city }}: the shop's crew.
steps:
  - send: { use: echo, template: offer }
";

/// The work of one measurement.
pub(crate) struct Workload {
    pub(crate) customers: usize,
}

impl Workload {
    /// Work for so many customers.
    pub(crate) fn new(customers: usize) -> anyhow::Result<Self> {
        // The file is read here once, so that a mistake in it is told before anything is built up.
        Self::program().map(|_| Self { customers })
    }

    pub(crate) fn file() -> &'static str {
        FILE
    }

    pub(crate) fn program() -> anyhow::Result<Program> {
        let checked = check(FILE, None);
        checked.program.with_context(|| format!("the journey has problems: {:?}", checked.problems))
    }

    /// Stores all customers.
    pub(crate) async fn store_customers(&self, store: &Store) -> anyhow::Result<()> {
        for numbers in self.batches() {
            store.upsert_customers(numbers.map(patch).collect(), 0).await?;
        }
        Ok(())
    }

    /// The events, in batches.
    pub(crate) fn events(&self, at: i64) -> Vec<Vec<NewEvent>> {
        self.batches().map(|numbers| numbers.map(|number| event(number, at)).collect()).collect()
    }

    fn batches(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let customers = self.customers;
        (0..customers).step_by(BATCH).map(move |first| first..customers.min(first + BATCH))
    }
}

pub(crate) fn customer_id(number: usize) -> String {
    format!("customer-{number:07}")
}

/// The number in a customer's identifier.
pub(crate) fn customer_number(id: &str) -> Option<usize> {
    id.strip_prefix("customer-")?.parse().ok()
}

fn patch(number: usize) -> CustomerPatch {
    let attributes =
        json!({ "name": format!("Customer {number}"), "city": "Hangzhou", "locale": "zh-CN" });
    CustomerPatch {
        id: customer_id(number),
        attributes: attributes.as_object().cloned().unwrap_or_default(),
        identities: [(ADDRESS.to_owned(), format!("+86138{number:08}"))].into(),
        consents: [("marketing".to_owned(), [(ADDRESS.to_owned(), true)].into())].into(),
        ..CustomerPatch::default()
    }
}

/// What happens to a customer.
pub(crate) fn event(number: usize, at: i64) -> NewEvent {
    let properties: Map<_, _> = [
        ("item".to_owned(), json!(format!("Item {}", number % 500))),
        ("amount".to_owned(), json!(number % 200 + 1)),
    ]
    .into_iter()
    .collect();
    NewEvent {
        source: "bench".to_owned(),
        id: format!("event-{number:07}"),
        name: "bench.event".to_owned(),
        subject: Subject::Customer(customer_id(number)),
        at,
        subscription: None,
        lane: Lane::GENERAL,
        properties,
    }
}
