-- The first incident of the attack that one is part of. Of before cases were told, each is one; writers of before, not
-- yet gone, tell none.
ALTER TABLE bgp_conflicts ADD COLUMN case_id uuid;
CREATE INDEX bgp_conflicts_by_case ON bgp_conflicts (coalesce(case_id, id));
