-- How suspicious an incident is, 0 to 100. Of those from before it was told, nobody knows.
ALTER TABLE bgp_conflicts ADD COLUMN suspicion smallint NOT NULL DEFAULT 0;
