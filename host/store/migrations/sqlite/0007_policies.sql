-- What decides which messages go first, and what limits count.

-- The higher goes first: a customer who goes first has 1000 more than the journey's priority.
alter table effect add column rank bigint not null default 50;
-- Tags of the journey, as a JSON array.
alter table effect add column tags text not null default '[]';
-- 1 for a marketing message, which limits count.
alter table effect add column marketing bigint not null default 0;
-- When a marketing message was handed over, as long as it may have been sent.
alter table effect add column counted_at bigint;
create index effect_counted on effect (customer, counted_at) where counted_at is not null;

-- In the order of due times for each rank: messages that wait for their window do not stand in the way of others.
drop index effect_open;
create index effect_open on effect (phase, connection, rank, due_at) where phase <> 'done';

-- Every time a message was held back, put off or passed: why, as JSON.
create table decision (
    customer text not null,
    at bigint not null,
    effect text not null,
    kind text not null,
    until bigint,
    held text not null,
    primary key (customer, at, effect, kind)
) without rowid;
