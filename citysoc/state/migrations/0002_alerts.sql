-- Alerts, incidents, their audit trail and the outbox.
-- Times here are RFC 3339 in UTC of fixed width, 2026-10-01T00:30:00.000000Z, so that text order is time order.

CREATE TABLE incidents (
  id TEXT PRIMARY KEY,
  agency TEXT NOT NULL,
  entity TEXT NOT NULL,
  title TEXT NOT NULL,
  severity TEXT NOT NULL,
  classes TEXT NOT NULL DEFAULT '[]',
  rules TEXT NOT NULL DEFAULT '[]',
  state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'acknowledged', 'in_progress', 'closed')),
  verdict TEXT CHECK (verdict IN ('true_positive', 'false_positive', 'benign')),
  owner TEXT,
  alerts INTEGER NOT NULL DEFAULT 0,
  first_seen TEXT NOT NULL,
  last_seen TEXT NOT NULL,
  detected_at TEXT NOT NULL,
  notice_due_at TEXT NOT NULL,
  report_due_at TEXT NOT NULL,
  notice_sent_at TEXT,
  report_sent_at TEXT,
  updated_at TEXT NOT NULL,
  closed_at TEXT,
  revision INTEGER NOT NULL DEFAULT 1,
  previous TEXT REFERENCES incidents (id),
  merged_into TEXT REFERENCES incidents (id)
) WITHOUT ROWID;

CREATE INDEX incidents_by_detection ON incidents (detected_at);
CREATE INDEX incidents_by_agency ON incidents (agency, detected_at);

-- Which entities an incident is about: one when it opens, more after a merge.
CREATE TABLE incident_entities (
  agency TEXT NOT NULL,
  entity TEXT NOT NULL,
  incident TEXT NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
  PRIMARY KEY (agency, entity, incident)
) WITHOUT ROWID;

-- The last number given in each year (of Huế's calendar).
CREATE TABLE incident_numbers (
  year INTEGER PRIMARY KEY,
  last INTEGER NOT NULL
);

-- What people write down; the law asks at least for cause, scope and measure.
CREATE TABLE incident_notes (
  id INTEGER PRIMARY KEY,
  incident TEXT NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
  at TEXT NOT NULL,
  who TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT 'note' CHECK (kind IN ('note', 'cause', 'scope', 'measure')),
  text TEXT NOT NULL
);

CREATE INDEX incident_notes_by_incident ON incident_notes (incident, id);

CREATE TABLE alerts (
  id TEXT PRIMARY KEY,
  key BLOB NOT NULL,
  rule TEXT NOT NULL,
  title TEXT NOT NULL,
  level TEXT NOT NULL,
  agency TEXT NOT NULL,
  group_values TEXT NOT NULL DEFAULT '{}',
  entity TEXT NOT NULL DEFAULT '',
  class TEXT NOT NULL DEFAULT '',
  count INTEGER NOT NULL DEFAULT 1,
  suppressed INTEGER GENERATED ALWAYS AS (count - 1) VIRTUAL,
  first_seen TEXT NOT NULL,
  last_seen TEXT NOT NULL,
  window_seconds INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  samples TEXT NOT NULL DEFAULT '[]',
  tags TEXT NOT NULL DEFAULT '[]',
  matched TEXT NOT NULL DEFAULT '{}',
  state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'acknowledged', 'in_progress', 'closed')),
  verdict TEXT CHECK (verdict IN ('true_positive', 'false_positive', 'benign')),
  closed_at TEXT,
  previous TEXT REFERENCES alerts (id),
  incident TEXT REFERENCES incidents (id)
);

CREATE INDEX alerts_by_key ON alerts (key, last_seen);
CREATE INDEX alerts_by_creation ON alerts (created_at);
CREATE INDEX alerts_by_incident ON alerts (incident) WHERE incident IS NOT NULL;

-- Every change a person or the machine made; nothing is ever taken out of it.
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  who TEXT NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  action TEXT NOT NULL,
  before TEXT,
  after TEXT,
  detail TEXT NOT NULL DEFAULT ''
);

CREATE INDEX audit_by_subject ON audit (kind, subject, id);
CREATE TRIGGER audit_keeps BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_stands BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;

-- What is to be told to the outside, with the very bytes to send.
CREATE TABLE outbox (
  id TEXT PRIMARY KEY,
  event TEXT NOT NULL,
  subject TEXT NOT NULL,
  body BLOB NOT NULL,
  created_at TEXT NOT NULL
);

-- One row a message and receiver.
CREATE TABLE deliveries (
  message TEXT NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
  webhook TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'delivered', 'dead')),
  attempts INTEGER NOT NULL DEFAULT 0,
  budget INTEGER NOT NULL DEFAULT 0,
  due_at TEXT NOT NULL,
  claim TEXT,
  claimed_until TEXT,
  status INTEGER,
  reason TEXT,
  ended_at TEXT,
  PRIMARY KEY (message, webhook)
) WITHOUT ROWID;

CREATE INDEX deliveries_due ON deliveries (webhook, due_at) WHERE state IN ('pending', 'sending');
CREATE INDEX deliveries_by_state ON deliveries (state, webhook);

-- Each attempt, written down before it is made.
CREATE TABLE attempts (
  message TEXT NOT NULL,
  webhook TEXT NOT NULL,
  number INTEGER NOT NULL,
  started_at TEXT NOT NULL,
  ended_at TEXT,
  outcome TEXT NOT NULL DEFAULT 'unknown',
  status INTEGER,
  detail TEXT,
  PRIMARY KEY (message, webhook, number),
  FOREIGN KEY (message, webhook) REFERENCES deliveries (message, webhook) ON DELETE CASCADE
) WITHOUT ROWID;

-- A receiver that asked for patience.
CREATE TABLE receivers (
  webhook TEXT PRIMARY KEY,
  hold_until TEXT NOT NULL
) WITHOUT ROWID;

-- Since when a stream must speak, and the alert that says it does not.
ALTER TABLE streams ADD COLUMN expected_since TEXT;
ALTER TABLE streams ADD COLUMN alarm TEXT;
