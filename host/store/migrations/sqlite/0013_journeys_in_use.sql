-- What was done with a journey as a whole, and by whom.
create table journey_change (
    journey text not null,
    number bigint not null,
    at bigint not null,
    kind text not null,
    version bigint,
    actor text not null,
    detail text not null,
    primary key (journey, number)
) without rowid;

-- What is to become of those inside a journey, in batches: they move into a version, leave, or go on after a pause.
-- `after` is the enrollment up to which it is done.
create table transfer (
    id integer primary key autoincrement,
    journey text not null,
    kind text not null,
    version bigint not null,
    map text not null,
    outcome text,
    after text not null,
    done bigint not null,
    stayed bigint not null,
    created_at bigint not null,
    finished_at bigint,
    actor text not null
);
create index transfer_open on transfer (id) where finished_at is null;
create index transfer_journey on transfer (journey, id);

-- What comes due in a paused journey is put out of reach: 2^50 is added to its time, and taken off again when the journey
-- goes on.
create index enrollment_parked on enrollment (journey) where due_at >= 1125899906842624;
create index effect_parked on effect (journey) where due_at >= 1125899906842624;
