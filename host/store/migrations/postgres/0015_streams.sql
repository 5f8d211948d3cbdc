-- How far a stream of messages has been taken in, for each consumer that it is read by. `floor` is the sequence up to which
-- every message was stored or set aside; above it they come in any order. `highest` is the highest sequence taken, and
-- `highest_at` when the youngest message taken was published, in Unix nanoseconds. `created` tells a stream from one of the
-- same name that was made later.
create table stream_position (
    stream text collate "C" not null,
    consumer text collate "C" not null,
    created bigint not null,
    filter text collate "C" not null,
    floor bigint not null,
    highest bigint not null,
    highest_at bigint not null,
    updated_at bigint not null,
    primary key (stream, consumer)
);

-- Messages, or events of them, that could not be stored as events. `part` is the event's place in its message, or -1 for the
-- message as a whole; `event_id` the identifier that an event of it has if it names none.
create table set_aside (
    id bigint generated always as identity primary key,
    stream text collate "C" not null,
    sequence bigint not null,
    published bigint not null,
    part bigint not null,
    subject text collate "C" not null,
    reason text collate "C" not null,
    detail text collate "C" not null,
    event_id text collate "C" not null,
    body text collate "C" not null,
    encoding text collate "C" not null,
    size bigint not null,
    at bigint not null,
    unique (stream, sequence, published, part)
);
create index set_aside_reason on set_aside (reason, id);
create index set_aside_at on set_aside (at);
