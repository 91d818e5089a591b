-- Where the pipeline is. Times are RFC 3339 text in UTC, of fixed width (microseconds), so that text order is time order.

CREATE TABLE migrations (
  number INTEGER PRIMARY KEY,
  applied_at TEXT NOT NULL
);

-- Where each pull source goes on: one row a file (or other position key) of a stream.
CREATE TABLE checkpoints (
  stream TEXT NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  PRIMARY KEY (stream, key)
) WITHOUT ROWID;

-- A commit that was begun: its payload is applied once the store holds its rows. At most one row lives here.
CREATE TABLE commits (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  payload BLOB NOT NULL,
  prepared_at TEXT NOT NULL,
  applied_at TEXT
);

-- Conservation: received = stored + duplicate + quarantined + rejected, per stream and hour of arrival.
CREATE TABLE counters (
  stream TEXT NOT NULL,
  hour TEXT NOT NULL,
  received INTEGER NOT NULL DEFAULT 0,
  stored INTEGER NOT NULL DEFAULT 0,
  duplicate INTEGER NOT NULL DEFAULT 0,
  quarantined INTEGER NOT NULL DEFAULT 0,
  rejected INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (stream, hour)
) WITHOUT ROWID;

-- Contents already stored, for exports that repeat earlier rows.
CREATE TABLE seen (
  id BLOB PRIMARY KEY,
  day TEXT NOT NULL
) WITHOUT ROWID;

-- When each stream last spoke, and in which state it was found.
CREATE TABLE streams (
  stream TEXT PRIMARY KEY,
  agency TEXT NOT NULL,
  source TEXT NOT NULL,
  expected INTEGER NOT NULL DEFAULT 0,
  first_arrival TEXT,
  last_arrival TEXT,
  last_event TEXT,
  state TEXT NOT NULL DEFAULT 'never',
  state_since TEXT,
  last_error TEXT
) WITHOUT ROWID;

-- What the scheduled jobs covered: a missing interval is a visible gap.
CREATE TABLE jobs (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  covers_from TEXT,
  covers_until TEXT,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  outcome TEXT,
  detail TEXT
);

CREATE INDEX jobs_by_name ON jobs (name, started_at);
