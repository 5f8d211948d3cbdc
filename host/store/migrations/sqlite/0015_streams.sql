-- How far a stream of messages has been taken in, for each consumer that it is read by. `floor` is the sequence up to which
-- every message was stored or set aside; above it they come in any order. `highest` is the highest sequence taken, and
-- `highest_at` when the youngest message taken was published, in Unix nanoseconds. `created` tells a stream from one of the
-- same name that was made later.
create table stream_position (
    stream text not null,
    consumer text not null,
    created bigint not null,
    filter text not null,
    floor bigint not null,
    highest bigint not null,
    highest_at bigint not null,
    updated_at bigint not null,
    primary key (stream, consumer)
) without rowid;

-- Messages, or events of them, that could not be stored as events. `part` is the event's place in its message, or -1 for the
-- message as a whole; `event_id` the identifier that an event of it has if it names none.
create table set_aside (
    id integer primary key autoincrement,
    stream text not null,
    sequence bigint not null,
    published bigint not null,
    part bigint not null,
    subject text not null,
    reason text not null,
    detail text not null,
    event_id text not null,
    body text not null,
    encoding text not null,
    size bigint not null,
    at bigint not null,
    unique (stream, sequence, published, part)
);
create index set_aside_reason on set_aside (reason, id);
create index set_aside_at on set_aside (at);
