-- Reports that were built on schedule, once for each period and version of their template and settings.
CREATE TABLE reports (
  since TEXT NOT NULL,
  until TEXT NOT NULL,
  version TEXT NOT NULL,
  built_at TEXT NOT NULL,
  PRIMARY KEY (since, until, version)
) WITHOUT ROWID;

-- Where reports go: one row for each report and target, tried until it is delivered or given up.
CREATE TABLE report_deliveries (
  id TEXT PRIMARY KEY,
  period TEXT NOT NULL,
  agency TEXT NOT NULL DEFAULT '',
  target TEXT NOT NULL,
  folder TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at TEXT NOT NULL,
  ended_at TEXT,
  detail TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

CREATE INDEX report_deliveries_due ON report_deliveries (state, due_at);
