-- What each rule did on each day of Huế's calendar. Hits are dated by their events, what it cost by the day it was measured.

CREATE TABLE rule_days (
  rule TEXT NOT NULL,
  day TEXT NOT NULL,
  hits INTEGER NOT NULL DEFAULT 0,
  staged INTEGER NOT NULL DEFAULT 0,
  last_hit TEXT NOT NULL DEFAULT '',
  tried INTEGER NOT NULL DEFAULT 0,
  cost_ns INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (rule, day)
) WITHOUT ROWID;
