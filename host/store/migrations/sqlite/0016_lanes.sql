-- With which others a row shares the host's time: 64 lanes, of which a pass takes some of each. 16 is that of events which
-- concern no journey in particular.
alter table event add column lane bigint not null default 16;
alter table enrollment add column lane bigint not null default 16;
-- The rank times 64 plus the lane: the higher goes first, and of one rank the lanes can be told apart.
alter table effect add column turn bigint not null default 0;
update effect set turn = rank * 64 + 16;

drop index event_open;
create index event_open on event (lane, id) where done_at is null;
-- What a customer did before is dealt with before.
create index event_waiting on event (customer, id) where done_at is null;

drop index enrollment_due;
create index enrollment_due on enrollment (lane, due_at) where due_at is not null;

-- In the order of due times for each turn: messages that wait for their window do not stand in the way of others.
drop index effect_open;
create index effect_open on effect (phase, connection, turn, due_at) where phase <> 'done';
