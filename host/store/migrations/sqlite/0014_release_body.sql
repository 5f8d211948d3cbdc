-- The components of releases, in base64, where hosts share a database. The one host of a file has them in files.
create table release_body (
    digest text primary key,
    body text not null
);
