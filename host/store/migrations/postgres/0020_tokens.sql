-- Tokens are kept in memory by every host, so that each must hear of those that are made and revoked.
create trigger changed after insert or update or delete on api_token
    for each statement execute function configuration_changed();
