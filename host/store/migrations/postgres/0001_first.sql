-- The tables of SQLite's migrations up to 13. Times are Unix milliseconds, identifiers and JSON are text. All text is in the
-- order of its bytes, as in SQLite and in the host, whatever the database's own order is.
--
-- `shard` says which customers one host owns together: 64 shards by a hash of the customer. Partial indexes over rows that
-- are open carry it last, so that a host's own rows are told from the index alone.

create table setting (
    name text collate "C" primary key,
    value text collate "C" not null
);

create table customer (
    id text collate "C" primary key,
    attributes text collate "C" not null,
    tags text collate "C" not null,
    consents text collate "C" not null,
    created_at bigint not null,
    updated_at bigint not null
);

-- What names a customer outside: addresses that channels send to, and identifiers of other systems.
create table identity (
    kind text collate "C" not null,
    value text collate "C" not null,
    customer text collate "C" not null,
    primary key (kind, value)
);
create unique index identity_customer on identity (customer, kind);

-- The inbox: a source's identifier is taken once, and a row stays open until the engine has dealt with it. The subscription
-- is the journey's that the event answers.
create table event (
    id bigint generated always as identity primary key,
    source text collate "C" not null,
    external_id text collate "C" not null,
    name text collate "C" not null,
    customer text collate "C" not null,
    at bigint not null,
    received_at bigint not null,
    properties text collate "C" not null,
    done_at bigint,
    subscription text collate "C",
    shard bigint not null generated always as (get_byte(decode(md5(customer), 'hex'), 0) & 63) stored,
    constraint event_once unique (source, external_id)
);
create index event_open on event (id, shard) where done_at is null;
-- A customer's past by name and time.
create index event_past on event (customer, name, at);

create table journey (
    name text collate "C" primary key,
    title text collate "C" not null,
    owner text collate "C" not null,
    state text collate "C" not null,
    live_version bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);

create table journey_version (
    journey text collate "C" not null,
    version bigint not null,
    source text collate "C" not null,
    created_at bigint not null,
    primary key (journey, version)
);

create table enrollment (
    id text collate "C" primary key,
    customer text collate "C" not null,
    journey text collate "C" not null,
    version bigint not null,
    key text collate "C" not null,
    status text collate "C" not null,
    outcome text collate "C",
    seq bigint not null,
    due_at bigint,
    goal_at bigint,
    goal_value double precision,
    enrolled_at bigint not null,
    ended_at bigint,
    state text collate "C" not null,
    shard bigint not null generated always as (get_byte(decode(md5(customer), 'hex'), 0) & 63) stored
);
create unique index enrollment_active on enrollment (customer, journey, key) where status = 'active';
create index enrollment_key on enrollment (customer, journey, key, enrolled_at);
create index enrollment_journey on enrollment (journey, id);
create index enrollment_due on enrollment (due_at, shard) where due_at is not null;
-- What comes due in a paused journey is put out of reach: 2^50 is added to its time, and taken off again when the journey
-- goes on.
create index enrollment_parked on enrollment (journey, shard) where due_at >= 1125899906842624;

-- What happened to an enrollment, one row for each time it advanced.
create table history (
    enrollment text collate "C" not null,
    seq bigint not null,
    at bigint not null,
    entries text collate "C" not null,
    primary key (enrollment, seq)
);

-- The ledger. Phases: pending -> attempting -> settled -> done, with unknown for what is to be asked for at the provider.
create table effect (
    key text collate "C" primary key,
    enrollment text collate "C" not null,
    customer text collate "C" not null,
    journey text collate "C" not null,
    version bigint not null,
    step text collate "C" not null,
    kind text collate "C" not null,
    connection text collate "C" not null,
    phase text collate "C" not null,
    outcome text collate "C",
    reason text collate "C",
    detail text collate "C",
    result text collate "C",
    provider_id text collate "C",
    attempts bigint not null,
    due_at bigint not null,
    created_at bigint not null,
    first_attempt_at bigint,
    settled_at bigint,
    -- 1 where the journey names another channel for the message: those need not wait for a connection that is not called.
    fallback bigint not null default 0,
    -- The higher goes first: a customer who goes first has 1000 more than the journey's priority.
    rank bigint not null default 50,
    -- Tags of the journey, as a JSON array.
    tags text collate "C" not null default '[]',
    -- 1 for a marketing message, which limits count.
    marketing bigint not null default 0,
    -- When a marketing message was handed over, as long as it may have been sent.
    counted_at bigint,
    shard bigint not null generated always as (get_byte(decode(md5(customer), 'hex'), 0) & 63) stored
);
-- In the order of due times for each rank: messages that wait for their window do not stand in the way of others.
create index effect_open on effect (phase, connection, rank, due_at, shard) where phase <> 'done';
create index effect_fallback on effect (connection, due_at, shard) where phase = 'pending' and fallback = 1;
create index effect_counted on effect (customer, counted_at) where counted_at is not null;
create index effect_enrollment on effect (enrollment);
create index effect_customer on effect (customer, key);
create index effect_parked on effect (journey, shard) where due_at >= 1125899906842624;

-- What is asked in full. Apart from the effect, whose row is written anew each time its phase changes.
create table effect_body (
    effect text collate "C" primary key,
    body text collate "C" not null
);

-- Every time an effect was handed to a plugin, written before the plugin is called.
create table attempt (
    effect text collate "C" not null,
    number bigint not null,
    release text collate "C" not null,
    started_at bigint not null,
    ended_at bigint,
    outcome text collate "C",
    detail text collate "C",
    primary key (effect, number)
);

-- Every time a message was held back, put off or passed: why, as JSON.
create table decision (
    customer text collate "C" not null,
    at bigint not null,
    effect text collate "C" not null,
    kind text collate "C" not null,
    until bigint,
    held text collate "C" not null,
    primary key (customer, at, effect, kind)
);

create table coupon_grant (
    key text collate "C" primary key,
    customer text collate "C" not null,
    campaign text collate "C" not null,
    connection text collate "C" not null,
    code text collate "C" not null,
    state text collate "C" not null,
    valid_from bigint not null,
    valid_until bigint not null,
    granted_at bigint not null,
    changed_at bigint not null,
    -- When the customer was told of as holding a coupon that is about to be over.
    expiring_at bigint,
    shard bigint not null generated always as (get_byte(decode(md5(customer), 'hex'), 0) & 63) stored
);
create index coupon_grant_customer on coupon_grant (customer);
-- By hash: an entry of the usual kind of index is bounded, and what plugins give as a code is not.
create index coupon_grant_code on coupon_grant using hash (code);
create index coupon_grant_expiring on coupon_grant (valid_until, shard) where state = 'usable' and expiring_at is null;

-- Imported coupon codes; a code with a key is taken.
create table pool_code (
    pool text collate "C" not null,
    code text collate "C" not null,
    key text collate "C",
    primary key (pool, code)
);
create unique index pool_code_key on pool_code (pool, key) where key is not null;
create index pool_code_free on pool_code (pool, code) where key is null;

-- Who signed a release: the key's name and identifier as they were when it was installed, or nobody. A development release
-- shares its name and version with others, and is only meant by its digest.
create table release (
    digest text collate "C" primary key,
    name text collate "C" not null,
    version text collate "C" not null,
    kinds text collate "C" not null,
    manifest text collate "C" not null,
    installed_at bigint not null,
    signer text collate "C",
    signer_key text collate "C",
    development boolean not null default false
);

-- Keys whose signatures the workspace trusts. The identifier is what a signature names its key by.
create table trusted_key (
    name text collate "C" primary key,
    id text collate "C" not null unique,
    public text collate "C" not null,
    added_at bigint not null
);

-- The release used before is there for going back; a candidate under trial is JSON.
create table connection (
    name text collate "C" primary key,
    plugin text collate "C" not null,
    digest text collate "C" not null,
    config text collate "C" not null,
    permissions text collate "C" not null,
    limits text collate "C" not null,
    secrets text collate "C" not null,
    updated_at bigint not null,
    previous text collate "C",
    canary text collate "C",
    recording text collate "C" not null default '{}'
);

-- Every change of the release in use.
create table activation (
    connection text collate "C" not null,
    number bigint not null,
    at bigint not null,
    kind text collate "C" not null,
    release text collate "C" not null,
    former text collate "C",
    actor text collate "C" not null,
    reason text collate "C" not null,
    primary key (connection, number)
);

create table api_token (
    id text collate "C" primary key,
    name text collate "C" not null,
    hash text collate "C" not null,
    created_at bigint not null
);

-- What plugins keep between calls. Keys and contents are bytes in base64, so that any of them can be stored.
create table kept_value (
    connection text collate "C" not null,
    key text collate "C" not null,
    content text collate "C" not null,
    bytes bigint not null,
    primary key (connection, key)
);

-- How much of its space each connection uses: the sum over its values, so that no write has to add them up.
create table kept_space (
    connection text collate "C" primary key,
    bytes bigint not null
);

-- Sampled, redacted calls to plugins, for comparing a release with another. The oldest of a connection go first.
create table recording (
    id bigint generated always as identity primary key,
    connection text collate "C" not null,
    function text collate "C" not null,
    release text collate "C" not null,
    at bigint not null,
    bytes bigint not null,
    body text collate "C" not null
);
create index recording_connection on recording (connection, id, bytes);

-- Named conditions on customers, as they were applied.
create table segment (
    name text collate "C" primary key,
    source text collate "C" not null,
    updated_at bigint not null
);

-- Segments whose newcomers are told of. Until the first look has ended, who is found was there before.
create table watched_segment (
    segment text collate "C" primary key,
    counted_at bigint
);

-- Who was in a watched segment at the last look.
create table segment_member (
    segment text collate "C" not null,
    customer text collate "C" not null,
    primary key (segment, customer)
);

-- How far each polled trigger source has come; written together with the events that a poll gave.
create table poll (
    connection text collate "C" primary key,
    cursor text collate "C",
    next_at bigint not null
);

-- What journeys give people to do. It is open until somebody says what came of it.
create table assignment (
    key text collate "C" primary key,
    enrollment text collate "C" not null,
    customer text collate "C" not null,
    journey text collate "C" not null,
    step text collate "C" not null,
    assignee text collate "C" not null,
    note text collate "C" not null,
    due_at bigint,
    created_at bigint not null,
    done_at bigint,
    outcome text collate "C",
    done_by text collate "C"
);
create index assignment_open on assignment using hash (assignee) where done_at is null;
create index assignment_customer on assignment (customer, key);

-- Which arm of a split an enrollment was given.
create table split_arm (
    enrollment text collate "C" not null,
    split text collate "C" not null,
    journey text collate "C" not null,
    arm text collate "C" not null,
    primary key (enrollment, split)
);
create index split_arm_journey on split_arm (journey, split, arm);

-- Splits that are decided, and on which figures.
create table split_winner (
    journey text collate "C" not null,
    split text collate "C" not null,
    arm text collate "C" not null,
    decided_at bigint not null,
    decided_by text collate "C" not null,
    figures text collate "C" not null,
    primary key (journey, split)
);

-- What was done with a journey as a whole, and by whom.
create table journey_change (
    journey text collate "C" not null,
    number bigint not null,
    at bigint not null,
    kind text collate "C" not null,
    version bigint,
    actor text collate "C" not null,
    detail text collate "C" not null,
    primary key (journey, number)
);

-- What is to become of those inside a journey, in batches: they move into a version, leave, or go on after a pause.
-- `after` is the enrollment up to which it is done.
create table transfer (
    id bigint generated always as identity primary key,
    journey text collate "C" not null,
    kind text collate "C" not null,
    version bigint not null,
    map text collate "C" not null,
    outcome text collate "C",
    after text collate "C" not null,
    done bigint not null,
    stayed bigint not null,
    created_at bigint not null,
    finished_at bigint,
    actor text collate "C" not null
);
create index transfer_open on transfer (id) where finished_at is null;
create index transfer_journey on transfer (journey, id);

-- The start of a day written `2027-06-18`, in UTC and Unix milliseconds; null if it is none. PostgreSQL's own functions raise
-- an error there, and a segment must not fail for what one customer's attribute says. The days are counted from March on, as
-- in Howard Hinnant's `days_from_civil`, in the years from 400 on, so that no number is below zero.
create function midnight(day text) returns bigint language plpgsql immutable strict parallel safe as $$
declare
    y bigint;
    m bigint;
    d bigint;
    last bigint;
begin
    if day !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' then
        return null;
    end if;
    y := substr(day, 1, 4);
    m := substr(day, 6, 2);
    d := substr(day, 9, 2);
    if m < 1 or m > 12 or d < 1 then
        return null;
    end if;
    last := case
        when m = 2 then case when y % 4 = 0 and (y % 100 <> 0 or y % 400 = 0) then 29 else 28 end
        when m in (4, 6, 9, 11) then 30
        else 31
    end;
    if d > last then
        return null;
    end if;
    y := y + 400;
    if m > 2 then
        m := m - 3;
    else
        m := m + 9;
        y := y - 1;
    end if;
    return (365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + d - 1 - 719468 - 146097) * 86400000;
end
$$;
