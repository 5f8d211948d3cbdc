//! What a pass loads of the customers' pasts: no more than the journeys concerned read, and mostly nothing.

use std::collections::{BTreeMap, BTreeSet};

use waystation_journey::{Needs, Past, Program};
use waystation_store::records::Work;
use waystation_store::{Store, StoreError};

use crate::programs::Picture;

/// Loads the pasts that the pass may read.
pub(crate) async fn load(
    store: &Store,
    picture: &Picture,
    work: &Work,
    now: i64,
) -> Result<BTreeMap<String, Past>, StoreError> {
    let (customers, needs) = wanted(picture, work);
    let customers: Vec<&str> = customers.into_iter().collect();
    store.pasts(&customers, &needs, now).await
}

/// Whose past is read, and what of it.
fn wanted<'w>(picture: &Picture, work: &'w Work) -> (BTreeSet<&'w str>, Needs) {
    let mut customers = BTreeSet::new();
    let mut needs = Needs::default();
    let mut add = |customer: &'w str, program: &Program| {
        if program.needs().reads_past() {
            customers.insert(customer);
            needs.add(program.needs());
        }
    };
    for enrollment in work.enrollments.values() {
        if let Some(program) = picture.program(&enrollment.journey, enrollment.version) {
            add(&enrollment.customer, program);
        }
    }
    for open in &work.events {
        for version in picture.entered_by(&open.event) {
            add(&open.event.customer, &version.program);
        }
    }
    (customers, picture.segments.needs(&needs))
}
