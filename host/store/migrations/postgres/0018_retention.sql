-- What is kept, and for how long. As SQLite's migration of this number.

alter table enrollment add column trimmed bigint not null default 0;
create index enrollment_ended on enrollment (ended_at, id) where ended_at is not null and trimmed = 0;
