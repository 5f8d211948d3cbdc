-- The components of releases, in base64: every host that shares the database gets them here. Compressed code in base64 does
-- not shrink, so nobody tries.
create table release_body (
    digest text collate "C" primary key,
    body text collate "C" not null
);
alter table release_body alter column body set storage external;
