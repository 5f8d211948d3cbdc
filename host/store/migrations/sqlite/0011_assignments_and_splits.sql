-- What journeys give people to do. It is open until somebody says what came of it.
create table assignment (
    key text primary key,
    enrollment text not null,
    customer text not null,
    journey text not null,
    step text not null,
    assignee text not null,
    note text not null,
    due_at bigint,
    created_at bigint not null,
    done_at bigint,
    outcome text,
    done_by text
);
create index assignment_open on assignment (assignee, key) where done_at is null;
create index assignment_customer on assignment (customer, key);

-- Which arm of a split an enrollment was given.
create table split_arm (
    enrollment text not null,
    split text not null,
    journey text not null,
    arm text not null,
    primary key (enrollment, split)
) without rowid;
create index split_arm_journey on split_arm (journey, split, arm);

-- Splits that are decided, and on which figures.
create table split_winner (
    journey text not null,
    split text not null,
    arm text not null,
    decided_at bigint not null,
    decided_by text not null,
    figures text not null,
    primary key (journey, split)
) without rowid;
