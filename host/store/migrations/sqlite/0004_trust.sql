-- Keys whose signatures the workspace trusts. The identifier is what a signature names its key by.
create table trusted_key (
    name text primary key,
    id text not null unique,
    public text not null,
    added_at bigint not null
);

-- Who signed a release: the key's name and identifier as they were when it was installed, or nobody. A development release
-- shares its name and version with others, and is only meant by its digest.
alter table release add column signer text;
alter table release add column signer_key text;
alter table release add column development boolean not null default false;
