-- Hosts that share the database, and which of them works for which customers.

-- The clock that holds for all hosts, in Unix milliseconds.
create function now_ms() returns bigint language sql volatile
as $$ select cast(extract(epoch from clock_timestamp()) * 1000 as bigint) $$;

-- A host's session. Every commit of a host locks its own row for key share, and whoever ends the session locks it for update:
-- once a session has ended, nothing is committed under it any more.
create table host (
    epoch bigint generated always as identity primary key,
    name text collate "C" not null,
    started_at bigint not null,
    until bigint not null,
    ended_at bigint,
    configuration bigint not null
);
create index host_lasting on host (until) where ended_at is null;

-- The session that works for a shard; none for a while when hosts come and go.
create table shard (
    number bigint primary key,
    epoch bigint
);
insert into shard (number) select generate_series(0, 63);

-- Grows with every change of what hosts keep in memory, so that each knows when to read it anew.
create table configuration (
    number bigint not null
);
insert into configuration (number) values (1);

create function configuration_changed() returns trigger language plpgsql
as $$
begin
    update configuration set number = number + 1;
    return null;
end
$$;

create trigger changed after insert or update or delete on journey
    for each statement execute function configuration_changed();
create trigger changed after insert or update or delete on journey_version
    for each statement execute function configuration_changed();
create trigger changed after insert or update or delete on segment
    for each statement execute function configuration_changed();
create trigger changed after insert or update or delete on setting
    for each statement execute function configuration_changed();
create trigger changed after insert or update or delete on split_winner
    for each statement execute function configuration_changed();
create trigger changed after insert or update or delete on connection
    for each statement execute function configuration_changed();

-- Releases that some host is about to put into use, and the hosts that have loaded them.
create table wanted_release (
    digest text collate "C" primary key,
    asked_at bigint not null
);
create table ready_release (
    epoch bigint not null,
    digest text collate "C" not null,
    primary key (epoch, digest)
);

-- Renews a session and does what is due for all hosts: ends sessions whose time is over, gives up the shards that `leaving`
-- lists, takes free ones up to a fair share. No row if the session has been ended. It is one statement, so that a host which
-- goes away in the middle of it holds no lock.
create function renew_host(me bigint, lease bigint, leaving bigint[], in_use bigint)
returns table (time_now bigint, hosts_lasting bigint, newest bigint, wanted bigint, shards_held text)
language plpgsql
as $$
declare
    lasting bigint;
    mine bigint;
    fair bigint;
begin
    -- One host at a time; it takes about a millisecond.
    perform pg_advisory_xact_lock(7420, 1);
    update host set until = now_ms() + lease, configuration = in_use where epoch = me and ended_at is null;
    if not found then
        return;
    end if;
    -- A session in the middle of a commit is ended by the next renewal: the server breaks off what is idle for longer.
    update host set ended_at = now_ms() where epoch in (
        select epoch from host where ended_at is null and until < now_ms() and epoch <> me for update skip locked
    );
    update shard set epoch = null
        where epoch in (select host.epoch from host where ended_at is not null);
    update shard set epoch = null
        where epoch = me and number = any (leaving) and not exists (
            select 1 from effect
            where phase = 'attempting' and phase <> 'done' and effect.shard = shard.number
        );
    select count(*) into lasting from host where ended_at is null;
    select count(*) into mine from shard where epoch = me;
    fair := (64 + lasting - 1) / lasting;
    update shard set epoch = me where number in (
        select number from shard where epoch is null order by number limit greatest(fair - mine, 0)
    );
    return query select
        now_ms(),
        lasting,
        (select number from configuration),
        (select count(*) from wanted_release
            where asked_at > now_ms() - 600000 and digest not in (
                select ready_release.digest from ready_release where ready_release.epoch = me
            )),
        (select coalesce(string_agg(cast(number as text), ',' order by number), '') from shard where epoch = me);
end
$$;
