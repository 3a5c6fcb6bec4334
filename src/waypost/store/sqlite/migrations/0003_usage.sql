-- What calls came to, by UTC day, so that months are summed in milliseconds and outlive their calls; and what a transfer
-- is about.

-- The lot that ended, or the transfer whose rest the operator bears.
ALTER TABLE transfers ADD COLUMN about INTEGER REFERENCES transfers (id);
CREATE INDEX transfers_about ON transfers (about) WHERE about IS NOT NULL;
CREATE INDEX transfers_call ON transfers (call) WHERE call IS NOT NULL;

-- Sums over ended calls. 0 and '' where a call has none; `store/rollup.py` says what is counted as what.
CREATE TABLE usage_days (
  account INTEGER NOT NULL,
  -- whole days since 1970
  day INTEGER NOT NULL,
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
  PRIMARY KEY (account, day, user_id, token_id, model, provider)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_days_user ON usage_days (user_id, day);
CREATE INDEX usage_days_day ON usage_days (day);

-- The same by session tag, of calls that have one.
CREATE TABLE usage_sessions (
  account INTEGER NOT NULL,
  day INTEGER NOT NULL,
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
  PRIMARY KEY (account, day, user_id, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_sessions_user ON usage_sessions (user_id, day);
CREATE INDEX usage_sessions_day ON usage_sessions (day);

-- How far: ended calls up to `rolled_to` are in the sums, but for those in `usage_late`; calls up to `deleted_to` may be
-- in the sums only.
CREATE TABLE usage_state (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  rolled_to INTEGER NOT NULL,
  deleted_to INTEGER NOT NULL
) STRICT;
INSERT INTO usage_state (id, rolled_to, deleted_to) VALUES (1, 0, 0);
CREATE TABLE usage_late (id INTEGER PRIMARY KEY) STRICT;
