-- What the correlator remembers between commits: matches that wait, keys with their events, how far time has come.

CREATE TABLE correlator (
  name TEXT PRIMARY KEY,
  content TEXT NOT NULL
) WITHOUT ROWID;
