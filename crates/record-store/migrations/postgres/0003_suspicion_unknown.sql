-- Nobody knows it of incidents from before it was told: then it is null, and was 0 until now.
ALTER TABLE bgp_conflicts ALTER COLUMN suspicion DROP DEFAULT, ALTER COLUMN suspicion DROP NOT NULL;
UPDATE bgp_conflicts SET suspicion = NULL WHERE suspicion = 0;
