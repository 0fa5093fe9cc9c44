-- Nobody knows it of incidents from before it was told: then it is null, and was 0 until now.
ALTER TABLE incidents ADD COLUMN suspicion_or_null INTEGER;
UPDATE incidents SET suspicion_or_null = nullif(suspicion, 0);
ALTER TABLE incidents DROP COLUMN suspicion;
ALTER TABLE incidents RENAME COLUMN suspicion_or_null TO suspicion;
