-- What calls came to, by UTC day, so that months are summed in milliseconds and outlive their calls; and what a transfer
-- is about. Says what sqlite/migrations/0003_usage.sql says.

-- The lot that ended, or the transfer whose rest the operator bears.
ALTER TABLE transfers ADD COLUMN about BIGINT REFERENCES transfers (id);
CREATE INDEX transfers_about ON transfers (about) WHERE about IS NOT NULL;
CREATE INDEX transfers_call ON transfers (call) WHERE call IS NOT NULL;

-- Sums over ended calls, a day's together, so that putting calls in touches few pages. 0 and '' where a call has none;
-- `store/rollup.py` says what is counted as what.
CREATE TABLE usage_days (
  -- whole days since 1970
  day BIGINT NOT NULL,
  account BIGINT NOT NULL,
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
  PRIMARY KEY (day, account, user_id, token_id, model, provider)
);

-- The same by session tag, of calls that have one.
CREATE TABLE usage_sessions (
  day BIGINT NOT NULL,
  account BIGINT NOT NULL,
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
  PRIMARY KEY (day, account, user_id, session)
);

-- The days there are sums of, and who ever used which account: what leads to a user's rows, and to an account's.
CREATE TABLE usage_dates (day BIGINT PRIMARY KEY);
CREATE TABLE usage_payers (
  user_id BIGINT NOT NULL,
  account BIGINT NOT NULL,
  PRIMARY KEY (user_id, account)
);

-- How far: ended calls up to `rolled_to` are in the sums, but for those in `usage_late`; calls up to `deleted_to` may be
-- in the sums only.
CREATE TABLE usage_state (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  rolled_to BIGINT NOT NULL,
  deleted_to BIGINT NOT NULL
);
INSERT INTO usage_state (id, rolled_to, deleted_to) VALUES (1, 0, 0);
CREATE TABLE usage_late (id BIGINT PRIMARY KEY);
