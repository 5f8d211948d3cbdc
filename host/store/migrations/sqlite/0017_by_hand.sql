-- What operators settle and send again by hand.

-- While something may have come of the attempts so far: what was asked, in digest; `?` where nobody needs to know it again.
alter table effect add column uncertain text;
-- When an operator last asked for another attempt.
alter table effect add column resent_at bigint;
-- 1 once its enrollment has gone on without it: no exit calls it off.
alter table effect add column detached bigint not null default 0;

-- Every time somebody settled an effect by hand, and why.
create table intervention (
    effect text not null,
    number bigint not null,
    at bigint not null,
    actor text not null,
    kind text not null,
    reason text not null,
    former text not null,
    may_double bigint not null,
    primary key (effect, number)
) without rowid;

-- Those of which nobody knows, by connection with the first attempt: for the metrics.
create index effect_unknown on effect (connection, first_attempt_at) where phase = 'unknown' or outcome = 'unknown';
-- Those that did not go out, in the order of their keys: for operators' lists.
create index effect_failed on effect (outcome, key, connection, journey)
    where outcome in ('unknown', 'refused', 'expired', 'suppressed');
