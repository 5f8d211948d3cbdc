-- Named conditions on customers, as they were applied.
create table segment (
    name text primary key,
    source text not null,
    updated_at bigint not null
);

-- A customer's past by name and time. It holds the properties too, so that a sum over many customers reads it alone, from
-- one end to the other.
create index event_past on event (customer, name, at, properties);
