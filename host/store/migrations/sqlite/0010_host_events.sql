-- When the customer was told of as holding a coupon that is about to be over.
alter table coupon_grant add column expiring_at bigint;
create index coupon_grant_expiring on coupon_grant (valid_until) where state = 'usable' and expiring_at is null;

-- Segments whose newcomers are told of. Until the first look has ended, who is found was there before.
create table watched_segment (
    segment text primary key,
    counted_at bigint
);

-- Who was in a watched segment at the last look.
create table segment_member (
    segment text not null,
    customer text not null,
    primary key (segment, customer)
) without rowid;
