-- Credits whose time is over are looked for every minute, however many there ever were.
CREATE INDEX lots_due ON lots (expires_at) WHERE remaining > 0;
