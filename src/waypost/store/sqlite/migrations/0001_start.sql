-- People and programs, their tokens, and the waybill of every request.

CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
  fullname TEXT NOT NULL DEFAULT '' CHECK (length(fullname) <= 200),
  email TEXT NOT NULL DEFAULT '' CHECK (length(email) <= 254),
  operator INTEGER NOT NULL DEFAULT 0 CHECK (operator IN (0, 1)),
  created_at INTEGER NOT NULL CHECK (created_at >= 0),
  preferences TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(preferences))
) STRICT;

CREATE TABLE tokens (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
  user_id INTEGER NOT NULL REFERENCES users (id),
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  kind TEXT NOT NULL CHECK (kind IN ('read', 'write', 'fineGrained')),
  last4 TEXT NOT NULL CHECK (length(last4) <= 4),
  created_at INTEGER NOT NULL CHECK (created_at >= 0),
  expires_at INTEGER CHECK (expires_at >= 0),
  revoked_at INTEGER CHECK (revoked_at >= 0),
  last_used_at INTEGER CHECK (last_used_at >= 0),
  -- permissions, grants, models, providers and limits
  rights TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(rights))
) STRICT;
CREATE UNIQUE INDEX tokens_live_name ON tokens (user_id, name) WHERE revoked_at IS NULL;
CREATE INDEX tokens_name ON tokens (name);

-- Every identity change, written in the transaction that makes it; readers keep up by seq.
CREATE TABLE changes (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at_ms INTEGER NOT NULL,
  subject TEXT NOT NULL CHECK (subject IN ('user', 'token')),
  subject_id INTEGER NOT NULL
) STRICT;

-- Words that many waybills repeat.
CREATE TABLE names (
  id INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  text TEXT NOT NULL,
  UNIQUE (kind, text)
) STRICT;

-- One row a call. Ids are time-ordered (`domain/requests.py`); payer to price_version are names; times in microseconds.
CREATE TABLE calls (
  id INTEGER PRIMARY KEY CHECK (id > 0),
  user_id INTEGER,
  token_id INTEGER,
  payer INTEGER,
  model INTEGER,
  policy INTEGER,
  provider INTEGER,
  code INTEGER,
  session INTEGER,
  price_version INTEGER,
  outcome INTEGER NOT NULL CHECK (outcome BETWEEN 1 AND 4),
  status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 999),
  flags INTEGER NOT NULL CHECK (flags >= 0),
  input INTEGER CHECK (input >= 0),
  cached_input INTEGER CHECK (cached_input >= 0),
  output INTEGER CHECK (output >= 0),
  reasoning INTEGER CHECK (reasoning >= 0),
  hold_nano_usd INTEGER NOT NULL CHECK (hold_nano_usd BETWEEN 0 AND 10000000000000),
  charge_nano_usd INTEGER NOT NULL CHECK (charge_nano_usd BETWEEN 0 AND 10000000000000),
  gateway_us INTEGER NOT NULL CHECK (gateway_us >= 0),
  first_word_us INTEGER CHECK (first_word_us >= 0),
  total_us INTEGER NOT NULL CHECK (total_us >= 0),
  trail BLOB NOT NULL
) STRICT;

-- Lists by filter, built late (`segments.py`): a segment is a run of calls by id, and a posting says which calls of a
-- segment hold a key.
CREATE TABLE segments (
  number INTEGER PRIMARY KEY,
  -- holds the calls with ids above `after`, up to `last`
  after INTEGER NOT NULL,
  last INTEGER NOT NULL CHECK (last > after),
  calls INTEGER NOT NULL CHECK (calls >= 0)
) STRICT;
CREATE TABLE segment_contents (
  number INTEGER PRIMARY KEY REFERENCES segments (number),
  ids BLOB NOT NULL,
  keys BLOB NOT NULL
) STRICT;
CREATE TABLE postings (
  key INTEGER NOT NULL,
  segment INTEGER NOT NULL,
  places BLOB NOT NULL,
  PRIMARY KEY (key, segment)
) STRICT, WITHOUT ROWID;
-- Calls that ended after their segment had been built; put in when there are many.
CREATE TABLE late (id INTEGER PRIMARY KEY) STRICT;

-- Refusals of callers we could not identify: a ring, so that a flood pushes out nothing but its own.
CREATE TABLE strangers (
  slot INTEGER PRIMARY KEY CHECK (slot BETWEEN 0 AND 9999),
  id INTEGER NOT NULL,
  status INTEGER NOT NULL,
  code TEXT,
  trail BLOB NOT NULL
) STRICT;

-- How endpoints have been doing, as routing left it.
CREATE TABLE pulse (
  key BLOB PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  reading BLOB NOT NULL
) STRICT, WITHOUT ROWID;
