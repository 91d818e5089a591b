-- Anomalies that were told, so that a second scoring of an hour tells nothing twice; and what people say of patterns.

CREATE TABLE anomalies (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  agency TEXT NOT NULL,
  entity TEXT NOT NULL,
  hour TEXT NOT NULL,
  family TEXT NOT NULL,
  score REAL NOT NULL,
  reasons TEXT NOT NULL,
  query TEXT NOT NULL,
  model TEXT NOT NULL,
  found_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX anomalies_by_hour ON anomalies (hour, agency);

CREATE TABLE anomaly_feedback (
  id INTEGER PRIMARY KEY,
  agency TEXT NOT NULL,
  entity TEXT NOT NULL,
  family TEXT NOT NULL,
  nats REAL NOT NULL,
  who TEXT NOT NULL,
  at TEXT NOT NULL,
  reason TEXT NOT NULL,
  anomaly TEXT NOT NULL,
  undone_at TEXT,
  undone_by TEXT
);
