-- Which releases a connection keeps at hand, and every change of the release in use.

-- The release used before, for going back; and a candidate under trial, as JSON.
alter table connection add column previous text;
alter table connection add column canary text;

create table activation (
    connection text not null,
    number bigint not null,
    at bigint not null,
    kind text not null,
    release text not null,
    former text,
    actor text not null,
    reason text not null,
    primary key (connection, number)
) without rowid;

-- Whether the journey names another channel for the message: those need not wait for a connection that is not called.
alter table effect add column fallback bigint not null default 0;
create index effect_fallback on effect (connection, due_at) where phase = 'pending' and fallback = 1;
