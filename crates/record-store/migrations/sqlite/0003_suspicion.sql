-- How suspicious an incident is, 0 to 100. Of those from before it was told, nobody knows.
ALTER TABLE incidents ADD COLUMN suspicion INTEGER NOT NULL DEFAULT 0;
