-- Money: accounts, what moves between them, holds on calls, organisations, their members, and keys of their own.
-- Amounts are whole nano-USD. A month is its number, 202611.

CREATE TABLE accounts (
  id INTEGER PRIMARY KEY,
  -- 'user:1', 'org:3', 'provider:alpha', 'granted', 'overrun', 'loss'
  name TEXT NOT NULL UNIQUE,
  -- everything credited to it less everything debited
  posted INTEGER NOT NULL DEFAULT 0 CHECK (posted BETWEEN -9000000000000000000 AND 9000000000000000000),
  -- how far it may go below nothing
  floor INTEGER NOT NULL DEFAULT 0 CHECK (floor BETWEEN -9000000000000000000 AND 0),
  -- the month that was last charged, and by how much
  period INTEGER NOT NULL DEFAULT 0,
  period_used INTEGER NOT NULL DEFAULT 0 CHECK (period_used >= 0)
) STRICT;
INSERT INTO accounts (name) VALUES ('granted'), ('overrun'), ('loss');

-- Everything that moves credits but is not a call. Only ever added: a mistake is mended by another row.
CREATE TABLE transfers (
  id INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL CHECK (at_ms >= 0),
  kind TEXT NOT NULL CHECK (kind IN
    ('grant', 'included', 'topup', 'refund', 'expiry', 'adjustment', 'carried', 'loss', 'overrun')),
  debit INTEGER NOT NULL REFERENCES accounts (id),
  credit INTEGER NOT NULL REFERENCES accounts (id) CHECK (credit <> debit),
  amount INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9000000000000000000),
  -- a name from outside: what came under it once never moves again
  outside_id TEXT UNIQUE CHECK (length(outside_id) BETWEEN 1 AND 255),
  -- the call it is about
  call INTEGER,
  note TEXT NOT NULL DEFAULT '' CHECK (length(note) <= 500),
  -- the user who ordered it
  by_user INTEGER REFERENCES users (id)
) STRICT;
CREATE INDEX transfers_debit ON transfers (debit, id);
CREATE INDEX transfers_credit ON transfers (credit, id);
CREATE TRIGGER transfers_stay BEFORE UPDATE ON transfers BEGIN SELECT raise(ABORT, 'transfers are never changed'); END;
CREATE TRIGGER transfers_last BEFORE DELETE ON transfers BEGIN SELECT raise(ABORT, 'transfers are never deleted'); END;

-- Credits that end: what is left of them. Charges use those that end first.
CREATE TABLE lots (
  id INTEGER PRIMARY KEY REFERENCES transfers (id),
  account INTEGER NOT NULL REFERENCES accounts (id),
  remaining INTEGER NOT NULL CHECK (remaining >= 0),
  expires_at INTEGER NOT NULL CHECK (expires_at >= 0)
) STRICT;
CREATE INDEX lots_open ON lots (account, expires_at) WHERE remaining > 0;

-- What was spent in a month, of those who have a monthly limit: 'user:1', 'org:3', 'member:3:1', 'token:9'.
CREATE TABLE spending (
  subject TEXT NOT NULL,
  period INTEGER NOT NULL,
  used INTEGER NOT NULL CHECK (used >= 0),
  PRIMARY KEY (subject, period)
) STRICT, WITHOUT ROWID;

-- Every price that a call was held at, for ever; nano-USD per million units.
CREATE TABLE prices (
  version TEXT PRIMARY KEY,
  input INTEGER NOT NULL CHECK (input >= 0),
  output INTEGER NOT NULL CHECK (output >= 0),
  cached_input INTEGER CHECK (cached_input >= 0),
  reasoning INTEGER CHECK (reasoning >= 0),
  request INTEGER NOT NULL CHECK (request >= 0)
) STRICT, WITHOUT ROWID;

-- A process that holds credits. Open holds of one that has ended are swept.
CREATE TABLE epochs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  began_ms INTEGER NOT NULL
) STRICT;

-- The hold of a call: 0 open, 1 settled, 2 voided, 3 expired; null where credits were not asked for.
-- A key to accounts would be looked up for every call: the writer alone fills these, with numbers that it just read.
ALTER TABLE calls ADD COLUMN state INTEGER CHECK (state BETWEEN 0 AND 3);
ALTER TABLE calls ADD COLUMN account INTEGER;
ALTER TABLE calls ADD COLUMN provider_account INTEGER;
ALTER TABLE calls ADD COLUMN epoch INTEGER;
ALTER TABLE calls ADD COLUMN period INTEGER;
ALTER TABLE calls ADD COLUMN overrun_nano_usd INTEGER NOT NULL DEFAULT 0
  CHECK (overrun_nano_usd BETWEEN 0 AND 9000000000000000000);
-- what the provider itself says the call cost
ALTER TABLE calls ADD COLUMN reported_nano_usd INTEGER CHECK (reported_nano_usd >= 0);
CREATE INDEX calls_open ON calls (epoch, id) WHERE state = 0;

-- Every movement, as one list: calls that were charged, what they overran, and transfers.
CREATE VIEW entries AS
  SELECT 'charge' AS kind, id AS call, NULL AS transfer, account AS debit, provider_account AS credit,
    charge_nano_usd AS amount
  FROM calls WHERE state = 1 AND charge_nano_usd > 0
  UNION ALL
  SELECT 'overrun', id, NULL, (SELECT id FROM accounts WHERE name = 'overrun'), provider_account, overrun_nano_usd
  FROM calls WHERE state = 1 AND overrun_nano_usd > 0
  UNION ALL
  SELECT kind, call, id, debit, credit, amount FROM transfers;

CREATE TABLE organisations (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
  fullname TEXT NOT NULL DEFAULT '' CHECK (length(fullname) <= 200),
  created_at INTEGER NOT NULL CHECK (created_at >= 0),
  spending_limit INTEGER CHECK (spending_limit >= 0),
  member_spending_limit INTEGER CHECK (member_spending_limit >= 0),
  included INTEGER CHECK (included >= 0),
  preferences TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(preferences)),
  rules TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(rules))
) STRICT;

CREATE TABLE members (
  id INTEGER PRIMARY KEY,
  organisation_id INTEGER NOT NULL REFERENCES organisations (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  role TEXT NOT NULL CHECK (role IN ('read', 'write', 'admin')),
  spending_limit INTEGER CHECK (spending_limit >= 0),
  added_at INTEGER NOT NULL CHECK (added_at >= 0),
  -- who left stays here, so that everybody who keeps members in memory hears of it
  removed_at INTEGER CHECK (removed_at >= 0),
  UNIQUE (organisation_id, user_id)
) STRICT;

ALTER TABLE users ADD COLUMN spending_limit INTEGER CHECK (spending_limit >= 0);

-- Keys of users and organisations for providers, sealed for their owner, provider and address.
CREATE TABLE provider_keys (
  id INTEGER PRIMARY KEY,
  owner TEXT NOT NULL, -- the owner's account: 'user:1', 'org:3'
  provider TEXT NOT NULL,
  label TEXT NOT NULL DEFAULT '' CHECK (length(label) <= 64),
  base_url TEXT NOT NULL,
  -- null once it was removed
  sealed BLOB,
  last4 TEXT NOT NULL CHECK (length(last4) <= 4),
  created_at INTEGER NOT NULL CHECK (created_at >= 0),
  UNIQUE (owner, provider)
) STRICT;

-- Calls that came with an Idempotency-Key.
CREATE TABLE keyed_calls (
  user_id INTEGER NOT NULL REFERENCES users (id),
  key_digest BLOB NOT NULL CHECK (length(key_digest) = 32),
  body_digest BLOB NOT NULL CHECK (length(body_digest) = 32),
  call INTEGER NOT NULL,
  expires_at INTEGER NOT NULL CHECK (expires_at >= 0),
  -- null while the first call runs
  status INTEGER,
  head BLOB,
  sealed BLOB,
  PRIMARY KEY (user_id, key_digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX keyed_calls_ending ON keyed_calls (expires_at);

CREATE TABLE changes_wider (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  subject TEXT NOT NULL CHECK (subject IN ('user', 'token', 'organisation', 'member', 'provider_key')),
  subject_id INTEGER NOT NULL
) STRICT;
INSERT INTO changes_wider SELECT seq, at_ms, subject, subject_id FROM changes;
DROP TABLE changes;
ALTER TABLE changes_wider RENAME TO changes;
