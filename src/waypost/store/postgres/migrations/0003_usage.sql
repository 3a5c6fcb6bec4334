-- What calls came to, by UTC day, so that months are summed in milliseconds and outlive their calls; and what a transfer
-- is about. Says what sqlite/migrations/0003_usage.sql says.

-- The lot that ended, or the transfer whose rest the operator bears.
ALTER TABLE transfers ADD COLUMN about BIGINT REFERENCES transfers (id);
CREATE INDEX transfers_about ON transfers (about) WHERE about IS NOT NULL;
CREATE INDEX transfers_call ON transfers (call) WHERE call IS NOT NULL;

-- Sums over ended calls. 0 and '' where a call has none; `store/rollup.py` says what is counted as what.
CREATE TABLE usage_days (
  account BIGINT NOT NULL,
  -- whole days since 1970
  day BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  token_id BIGINT NOT NULL,
  model TEXT COLLATE "C" NOT NULL,
  provider TEXT COLLATE "C" NOT NULL,
  requests BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  unpriced BIGINT NOT NULL,
  own_key BIGINT NOT NULL,
  estimated BIGINT NOT NULL,
  input BIGINT NOT NULL,
  cached_input BIGINT NOT NULL,
  output BIGINT NOT NULL,
  reasoning BIGINT NOT NULL,
  charge BIGINT NOT NULL,
  overrun BIGINT NOT NULL,
  PRIMARY KEY (account, day, user_id, token_id, model, provider)
);
CREATE INDEX usage_days_user ON usage_days (user_id, day);
CREATE INDEX usage_days_day ON usage_days (day);

-- The same by session tag, of calls that have one.
CREATE TABLE usage_sessions (
  account BIGINT NOT NULL,
  day BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  session TEXT COLLATE "C" NOT NULL,
  requests BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  unpriced BIGINT NOT NULL,
  own_key BIGINT NOT NULL,
  estimated BIGINT NOT NULL,
  input BIGINT NOT NULL,
  cached_input BIGINT NOT NULL,
  output BIGINT NOT NULL,
  reasoning BIGINT NOT NULL,
  charge BIGINT NOT NULL,
  overrun BIGINT NOT NULL,
  PRIMARY KEY (account, day, user_id, session)
);
CREATE INDEX usage_sessions_user ON usage_sessions (user_id, day);
CREATE INDEX usage_sessions_day ON usage_sessions (day);

-- How far: ended calls up to `rolled_to` are in the sums, but for those in `usage_late`; calls up to `deleted_to` may be
-- in the sums only.
CREATE TABLE usage_state (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  rolled_to BIGINT NOT NULL,
  deleted_to BIGINT NOT NULL
);
INSERT INTO usage_state (id, rolled_to, deleted_to) VALUES (1, 0, 0);
CREATE TABLE usage_late (id BIGINT PRIMARY KEY);
