-- Incidents, their transitions, whom they concern, and how far each sink has come.
-- Times are microseconds since the Unix epoch; lists are JSON text.

CREATE TABLE incidents (
    id               TEXT    NOT NULL PRIMARY KEY,
    version          INTEGER NOT NULL,
    type             TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    severity         INTEGER NOT NULL,           -- 1 info .. 5 critical
    -- The prefix as numbers: 16 bytes big-endian (IPv4: the lower four), so that order is address order.
    family           INTEGER NOT NULL,           -- 4 or 6
    network_start    BLOB    NOT NULL,
    network_end      BLOB    NOT NULL,
    prefix_length    INTEGER NOT NULL,
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
    transition_at_us INTEGER NOT NULL
);
CREATE INDEX incidents_by_first_seen ON incidents (first_seen_us, id);
CREATE INDEX incidents_by_state      ON incidents (state, first_seen_us, id);
CREATE INDEX incidents_by_network    ON incidents (family, network_start, prefix_length);

CREATE TABLE incident_history (
    incident_id      TEXT    NOT NULL,
    version          INTEGER NOT NULL,
    transition       TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    severity         INTEGER NOT NULL,
    at_us            INTEGER NOT NULL,
    visible_peers    INTEGER NOT NULL,
    total_peers      INTEGER NOT NULL,
    reasons          TEXT    NOT NULL,
    PRIMARY KEY (incident_id, version)
) WITHOUT ROWID;

-- Every ASN that has been an origin, an expected origin, the suspect or a victim.
CREATE TABLE incident_asns (
    asn              INTEGER NOT NULL,
    incident_id      TEXT    NOT NULL,
    PRIMARY KEY (asn, incident_id)
) WITHOUT ROWID;

CREATE TABLE sink_positions (
    sink             TEXT    NOT NULL,
    partition        INTEGER NOT NULL,
    next_offset      INTEGER NOT NULL,
    fence            INTEGER NOT NULL,
    PRIMARY KEY (sink, partition)
) WITHOUT ROWID;
