-- What plugins keep between calls. Keys and contents are bytes in base64, so that any of them can be stored.
create table kept_value (
    connection text not null,
    key text not null,
    content text not null,
    bytes bigint not null,
    primary key (connection, key)
) without rowid;

-- How much of its space each connection uses: the sum over its values, so that no write has to add them up.
create table kept_space (
    connection text primary key,
    bytes bigint not null
);

-- Sampled, redacted calls to plugins, for comparing a release with another. The oldest of a connection go first.
create table recording (
    id integer primary key autoincrement,
    connection text not null,
    function text not null,
    release text not null,
    at bigint not null,
    bytes bigint not null,
    body text not null
);
create index recording_connection on recording (connection, id, bytes);

alter table connection add column recording text not null default '{}';
