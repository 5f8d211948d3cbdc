-- What is kept, and for how long.

-- 1 once all but the row itself was deleted: it is kept because the customer may enter the journey once only, or for the
-- counts of a split that is not decided.
alter table enrollment add column trimmed bigint not null default 0;

-- Ended enrollments in the order in which they ended.
create index enrollment_ended on enrollment (ended_at, id) where ended_at is not null and trimmed = 0;
