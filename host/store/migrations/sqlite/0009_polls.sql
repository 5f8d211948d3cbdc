-- How far each polled trigger source has come; written together with the events that a poll gave.
create table poll (
    connection text primary key,
    cursor text,
    next_at bigint not null
);

-- The journey's subscription that an event answers.
alter table event add column subscription text;
