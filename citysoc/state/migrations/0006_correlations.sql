-- What the correlator remembers has another form: entries of a group lie in pages, matches that wait lie together.

DELETE FROM correlator;

-- What correlations left out, by hour of the clock: late events by stream and by rule, groups and events beyond the bounds by rule.
CREATE TABLE correlator_losses (
  hour TEXT NOT NULL,
  what TEXT NOT NULL,
  rule TEXT NOT NULL DEFAULT '',
  stream TEXT NOT NULL DEFAULT '',
  number INTEGER NOT NULL,
  PRIMARY KEY (hour, what, rule, stream)
) WITHOUT ROWID;

-- The agencies that it took to show an alert, where they are several.
ALTER TABLE alerts ADD COLUMN agencies TEXT NOT NULL DEFAULT '[]';
