//! Customers.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json as Reply;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use waystation_store::records::CustomerPatch;

use super::App;
use super::extract::{Json, Path};
use super::problem::{ApiError, Fault, Problem};
use crate::event::{CUSTOMER_ID, customer_id};

/// Most customers in one request.
const CUSTOMERS: usize = 1000;

/// What to change of a customer; absent fields stay as they are.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CustomerBody {
    /// Identifier; only in the batch request, elsewhere it is in the path.
    id: Option<String>,
    /// Attributes to set; `null` removes one. `name` and `locale` are also shown to channels.
    attributes: Map<String, Value>,
    /// Tags to add.
    tags: BTreeSet<String>,
    /// Tags to remove.
    untag: BTreeSet<String>,
    /// Identities to set, by kind (`email`, `phone`, ...); an empty value removes one.
    identities: BTreeMap<String, String>,
    /// Consent given (`true`) or withdrawn (`false`), by purpose (`marketing`, `transactional`) and kind of address.
    consents: BTreeMap<String, BTreeMap<String, bool>>,
}

/// A customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CustomerView {
    id: String,
    attributes: Map<String, Value>,
    tags: BTreeSet<String>,
    /// Identities by kind.
    identities: BTreeMap<String, String>,
    /// Kinds of address agreed to, by purpose.
    consents: BTreeMap<String, BTreeSet<String>>,
    /// Coupons given, oldest first.
    coupons: Vec<CouponView>,
}

/// A coupon given.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CouponView {
    campaign: String,
    code: String,
    /// `usable`, `used` or `revoked`.
    state: String,
    valid_from: i64,
    valid_until: i64,
}

/// Create or change a customer.
#[utoipa::path(
    put, path = "/v1/customers/{id}", tag = "customers", request_body = CustomerBody,
    params(("id" = String, Path, description = "The customer's identifier")),
    responses(
        (status = 204, description = "Stored"),
        (status = 409, description = "An identity belongs to another customer", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not valid", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn put(
    State(app): State<App>,
    Path(id): Path<String>,
    Json(mut body): Json<CustomerBody>,
) -> Result<StatusCode, ApiError> {
    if body.id.as_ref().is_some_and(|given| *given != id) {
        return Err(ApiError::invalid(
            "/id",
            "the identifier in the body differs from the one in the address",
        ));
    }
    body.id = Some(id);
    app.engine.upsert_customers(vec![patch(body, "")?]).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Create or change up to 1,000 customers, all or none.
#[utoipa::path(
    post, path = "/v1/customers", tag = "customers", request_body = Vec<CustomerBody>,
    responses(
        (status = 204, description = "Stored"),
        (status = 409, description = "An identity belongs to another customer", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "Not valid", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn import(
    State(app): State<App>,
    Json(bodies): Json<Vec<CustomerBody>>,
) -> Result<StatusCode, ApiError> {
    if bodies.is_empty() || bodies.len() > CUSTOMERS {
        return Err(ApiError::invalid(
            "",
            format!("send 1 to {CUSTOMERS} customers in one request, not {}", bodies.len()),
        ));
    }
    let patches = bodies
        .into_iter()
        .enumerate()
        .map(|(index, body)| patch(body, &format!("/{index}")))
        .collect::<Result<Vec<_>, _>>()?;
    app.engine.upsert_customers(patches).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Read a customer.
#[utoipa::path(
    get, path = "/v1/customers/{id}", tag = "customers",
    params(("id" = String, Path, description = "The customer's identifier")),
    responses(
        (status = 200, description = "The customer", body = CustomerView),
        (status = 404, description = "No such customer", body = Problem, content_type = "application/problem+json")
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Reply<CustomerView>, ApiError> {
    let store = app.engine.store();
    let customer = store.customers(std::slice::from_ref(&id)).await?.remove(&id);
    let customer = customer.ok_or_else(|| ApiError::NotFound(format!("customer `{id}`")))?;
    let coupons = store.grants_of(&id).await?;
    Ok(Reply(CustomerView {
        id: customer.id,
        attributes: customer.attributes,
        tags: customer.tags,
        identities: customer.identities,
        consents: customer.consents,
        coupons: coupons
            .into_iter()
            .map(|grant| CouponView {
                campaign: grant.campaign,
                code: grant.code,
                state: grant.state,
                valid_from: grant.valid_from,
                valid_until: grant.valid_until,
            })
            .collect(),
    }))
}

fn patch(body: CustomerBody, place: &str) -> Result<CustomerPatch, ApiError> {
    let mut faults = Vec::new();
    let id = body.id.unwrap_or_default();
    if !customer_id(&id) {
        faults.push(Fault::new(format!("{place}/id"), CUSTOMER_ID));
    }
    for purpose in body
        .consents
        .keys()
        .filter(|purpose| !["marketing", "transactional"].contains(&purpose.as_str()))
    {
        faults.push(Fault::new(
            format!("{place}/consents/{purpose}"),
            "the purposes are `marketing` and `transactional`",
        ));
    }
    let words = body
        .tags
        .iter()
        .chain(&body.untag)
        .chain(body.identities.keys())
        .chain(body.attributes.keys());
    for word in words.filter(|word| word.is_empty() || word.len() > 128) {
        faults.push(Fault::new(place, format!("`{word}`: names and tags have 1 to 128 bytes")));
    }
    for (kind, value) in body
        .identities
        .iter()
        .filter(|(_, value)| value.len() > 320 || value.contains(char::is_control))
    {
        let message =
            format!("`{value}` is not an address: at most 320 bytes and no control characters");
        faults.push(Fault::new(format!("{place}/identities/{kind}"), message));
    }
    if !faults.is_empty() {
        return Err(ApiError::Invalid(faults));
    }
    Ok(CustomerPatch {
        id,
        attributes: body.attributes,
        tags: body.tags,
        untag: body.untag,
        identities: body.identities,
        consents: body.consents,
    })
}
