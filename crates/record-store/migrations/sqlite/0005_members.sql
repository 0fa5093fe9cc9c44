-- What is about no single prefix has none; a group tells what it consists of.

CREATE TABLE incidents_anew (
    id               TEXT    NOT NULL PRIMARY KEY,
    version          INTEGER NOT NULL,
    type             TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    severity         INTEGER NOT NULL,           -- 1 info .. 5 critical
    -- The prefix as numbers: 16 bytes big-endian (IPv4: the lower four), so that order is address order. All four
    -- are null where there is none.
    family           INTEGER,                    -- 4 or 6
    network_start    BLOB,
    network_end      BLOB,
    prefix_length    INTEGER,
    covering_prefix  TEXT,
    origins          TEXT    NOT NULL,
    expected_origins TEXT    NOT NULL,
    suspect_asn      INTEGER,
    suspect_set      TEXT    NOT NULL,
    victim_asns      TEXT    NOT NULL,
    first_seen_us    INTEGER NOT NULL,
    suspected_at_us  INTEGER,
    confirmed_at_us  INTEGER,
    ended_at_us      INTEGER,
    end_reason       TEXT,
    last_seen_us     INTEGER NOT NULL,
    reopened         INTEGER NOT NULL,
    visible_peers    INTEGER NOT NULL,
    total_peers      INTEGER NOT NULL,
    peer_asns        TEXT    NOT NULL,
    evidence         TEXT    NOT NULL,
    reasons          TEXT    NOT NULL,
    synthetic        INTEGER NOT NULL,
    transition       TEXT    NOT NULL,
    transition_at_us INTEGER NOT NULL,
    suspicion        INTEGER,
    members          TEXT    NOT NULL,
    member_count     INTEGER NOT NULL
);
INSERT INTO incidents_anew SELECT
    id, version, type, state, severity, family, network_start, network_end, prefix_length, covering_prefix, origins,
    expected_origins, suspect_asn, suspect_set, victim_asns, first_seen_us, suspected_at_us, confirmed_at_us,
    ended_at_us, end_reason, last_seen_us, reopened, visible_peers, total_peers, peer_asns, evidence, reasons,
    synthetic, transition, transition_at_us, suspicion, '[]', 0
FROM incidents;
DROP TABLE incidents;
ALTER TABLE incidents_anew RENAME TO incidents;
CREATE INDEX incidents_by_first_seen ON incidents (first_seen_us, id);
CREATE INDEX incidents_by_state      ON incidents (state, first_seen_us, id);
CREATE INDEX incidents_by_network    ON incidents (family, network_start, prefix_length);

ALTER TABLE incident_history ADD COLUMN member_count INTEGER NOT NULL DEFAULT 0;

-- Every prefix that has been a member.
CREATE TABLE incident_members (
    family           INTEGER NOT NULL,
    network_start    BLOB    NOT NULL,
    prefix_length    INTEGER NOT NULL,
    incident_id      TEXT    NOT NULL,
    PRIMARY KEY (family, network_start, prefix_length, incident_id)
) WITHOUT ROWID;
