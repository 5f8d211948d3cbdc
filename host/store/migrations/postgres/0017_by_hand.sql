-- What operators settle and send again by hand. As SQLite's migration of this number.

alter table effect add column uncertain text;
alter table effect add column resent_at bigint;
alter table effect add column detached bigint not null default 0;

create table intervention (
    effect text collate "C" not null,
    number bigint not null,
    at bigint not null,
    actor text not null,
    kind text not null,
    reason text not null,
    former text not null,
    may_double bigint not null,
    primary key (effect, number)
);

create index effect_unknown on effect (connection, first_attempt_at) where phase = 'unknown' or outcome = 'unknown';
create index effect_failed on effect (outcome, key, connection, journey)
    where outcome in ('unknown', 'refused', 'expired', 'suppressed');
