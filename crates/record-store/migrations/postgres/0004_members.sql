-- What is about no single prefix has none; a group tells what it consists of. Writers of before are not yet gone: they
-- tell nothing of members.
ALTER TABLE bgp_conflicts
    ALTER COLUMN prefix DROP NOT NULL,
    ADD COLUMN members      jsonb  NOT NULL DEFAULT '[]',
    ADD COLUMN member_count bigint NOT NULL DEFAULT 0;
ALTER TABLE bgp_conflict_history
    ADD COLUMN member_count bigint NOT NULL DEFAULT 0;

-- Every prefix that has been a member.
CREATE TABLE bgp_conflict_members (
    incident_id      uuid        NOT NULL,
    prefix           cidr        NOT NULL,
    PRIMARY KEY (incident_id, prefix)
);
CREATE INDEX bgp_conflict_members_by_prefix ON bgp_conflict_members USING gist (prefix inet_ops);
