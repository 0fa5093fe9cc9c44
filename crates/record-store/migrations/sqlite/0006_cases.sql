-- The first incident of the attack that one is part of. Of before cases were told, each is one.
ALTER TABLE incidents ADD COLUMN case_id TEXT;
CREATE INDEX incidents_by_case ON incidents (coalesce(case_id, id));
