-- What calls came to, by UTC day, so that months are summed in milliseconds and outlive their calls; and what a transfer
-- is about.

-- The lot that ended, or the transfer whose rest the operator bears.
ALTER TABLE transfers ADD COLUMN about INTEGER REFERENCES transfers (id);
CREATE INDEX transfers_about ON transfers (about) WHERE about IS NOT NULL;
CREATE INDEX transfers_call ON transfers (call) WHERE call IS NOT NULL;

-- Sums over ended calls, a day's together, so that putting calls in touches few pages. 0 and '' where a call has none;
-- `store/rollup.py` says what is counted as what.
CREATE TABLE usage_days (
  -- whole days since 1970
  day INTEGER NOT NULL,
  account INTEGER NOT NULL,
  user_id INTEGER NOT NULL,
  token_id INTEGER NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  requests INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  own_key INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cached_input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  reasoning INTEGER NOT NULL,
  charge INTEGER NOT NULL,
  overrun INTEGER NOT NULL,
  PRIMARY KEY (day, account, user_id, token_id, model, provider)
) STRICT, WITHOUT ROWID;

-- The same by session tag, of calls that have one.
CREATE TABLE usage_sessions (
  day INTEGER NOT NULL,
  account INTEGER NOT NULL,
  user_id INTEGER NOT NULL,
  session TEXT NOT NULL,
  requests INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  own_key INTEGER NOT NULL,
  estimated INTEGER NOT NULL,
  input INTEGER NOT NULL,
  cached_input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  reasoning INTEGER NOT NULL,
  charge INTEGER NOT NULL,
  overrun INTEGER NOT NULL,
  PRIMARY KEY (day, account, user_id, session)
) STRICT, WITHOUT ROWID;

-- The days there are sums of, and who ever used which account: what leads to a user's rows, and to an account's.
CREATE TABLE usage_dates (day INTEGER PRIMARY KEY) STRICT;
CREATE TABLE usage_payers (
  user_id INTEGER NOT NULL,
  account INTEGER NOT NULL,
  PRIMARY KEY (user_id, account)
) STRICT, WITHOUT ROWID;

-- How far: ended calls up to `rolled_to` are in the sums, but for those in `usage_late`; calls up to `deleted_to` may be
-- in the sums only.
CREATE TABLE usage_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  rolled_to INTEGER NOT NULL,
  deleted_to INTEGER NOT NULL
) STRICT;
INSERT INTO usage_state (id, rolled_to, deleted_to) VALUES (1, 0, 0);
CREATE TABLE usage_late (id INTEGER PRIMARY KEY) STRICT;
