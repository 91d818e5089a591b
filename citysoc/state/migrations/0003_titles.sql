-- The title of the rule in Vietnamese, as the rule writes it; empty where it has none.

ALTER TABLE alerts ADD COLUMN title_vi TEXT NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN title_vi TEXT NOT NULL DEFAULT '';
