-- Times are Unix milliseconds, identifiers and JSON are text, and every type exists in SQLite and PostgreSQL alike.

create table setting (
    name text primary key,
    value text not null
);

create table customer (
    id text primary key,
    attributes text not null,
    tags text not null,
    consents text not null,
    created_at bigint not null,
    updated_at bigint not null
);

-- What names a customer outside: addresses that channels send to, and identifiers of other systems.
create table identity (
    kind text not null,
    value text not null,
    customer text not null,
    primary key (kind, value)
);
create unique index identity_customer on identity (customer, kind);

-- The inbox: a source's identifier is taken once, and a row stays open until the engine has dealt with it.
create table event (
    id integer primary key autoincrement,
    source text not null,
    external_id text not null,
    name text not null,
    customer text not null,
    at bigint not null,
    received_at bigint not null,
    properties text not null,
    done_at bigint,
    constraint event_once unique (source, external_id)
);
create index event_open on event (id) where done_at is null;

create table journey (
    name text primary key,
    title text not null,
    owner text not null,
    state text not null,
    live_version bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);

create table journey_version (
    journey text not null,
    version bigint not null,
    source text not null,
    created_at bigint not null,
    primary key (journey, version)
);

create table enrollment (
    id text primary key,
    customer text not null,
    journey text not null,
    version bigint not null,
    key text not null,
    status text not null,
    outcome text,
    seq bigint not null,
    due_at bigint,
    goal_at bigint,
    goal_value double precision,
    enrolled_at bigint not null,
    ended_at bigint,
    state text not null
);
create unique index enrollment_active on enrollment (customer, journey, key) where status = 'active';
create index enrollment_key on enrollment (customer, journey, key, enrolled_at);
create index enrollment_journey on enrollment (journey, id);
create index enrollment_due on enrollment (due_at) where due_at is not null;

-- What happened to an enrollment, one row for each time it advanced.
create table history (
    enrollment text not null,
    seq bigint not null,
    at bigint not null,
    entries text not null,
    primary key (enrollment, seq)
) without rowid;

-- The ledger. Phases: pending -> attempting -> settled -> done, with unknown for what is to be asked for at the provider.
create table effect (
    key text primary key,
    enrollment text not null,
    customer text not null,
    journey text not null,
    version bigint not null,
    step text not null,
    kind text not null,
    connection text not null,
    phase text not null,
    outcome text,
    reason text,
    detail text,
    result text,
    provider_id text,
    attempts bigint not null,
    due_at bigint not null,
    created_at bigint not null,
    first_attempt_at bigint,
    settled_at bigint
);
create index effect_open on effect (phase, connection, due_at) where phase <> 'done';
create index effect_enrollment on effect (enrollment);
create index effect_customer on effect (customer, key);

-- What is asked in full. Apart from the effect, whose row is written anew each time its phase changes.
create table effect_body (
    effect text primary key,
    body text not null
);

-- Every time an effect was handed to a plugin, written before the plugin is called.
create table attempt (
    effect text not null,
    number bigint not null,
    release text not null,
    started_at bigint not null,
    ended_at bigint,
    outcome text,
    detail text,
    primary key (effect, number)
) without rowid;

create table coupon_grant (
    key text primary key,
    customer text not null,
    campaign text not null,
    connection text not null,
    code text not null,
    state text not null,
    valid_from bigint not null,
    valid_until bigint not null,
    granted_at bigint not null,
    changed_at bigint not null
);
create index coupon_grant_customer on coupon_grant (customer);
create index coupon_grant_code on coupon_grant (code);

-- Imported coupon codes; a code with a key is taken.
create table pool_code (
    pool text not null,
    code text not null,
    key text,
    primary key (pool, code)
) without rowid;
create unique index pool_code_key on pool_code (pool, key) where key is not null;
create index pool_code_free on pool_code (pool, key, code);

create table release (
    digest text primary key,
    name text not null,
    version text not null,
    kinds text not null,
    manifest text not null,
    installed_at bigint not null
);

create table connection (
    name text primary key,
    plugin text not null,
    digest text not null,
    config text not null,
    permissions text not null,
    limits text not null,
    secrets text not null,
    updated_at bigint not null
);

create table api_token (
    id text primary key,
    name text not null,
    hash text not null,
    created_at bigint not null
);
