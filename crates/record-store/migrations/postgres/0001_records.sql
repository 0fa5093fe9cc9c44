-- Incidents, their transitions, whom they concern, how far each sink has come, the topic epoch, and the
-- updates that are kept. Times are event times with microseconds.

CREATE TYPE severity AS ENUM ('info', 'low', 'medium', 'high', 'critical');

-- Room in each page, so that a row whose indexed columns stay is updated beside itself.
CREATE TABLE bgp_conflicts (
    id               uuid        NOT NULL PRIMARY KEY,
    version          bigint      NOT NULL,
    type             text        NOT NULL,
    state            text        NOT NULL,
    severity         severity    NOT NULL,
    prefix           cidr        NOT NULL,
    covering_prefix  cidr,
    origins          bigint[]    NOT NULL,
    expected_origins bigint[]    NOT NULL,
    suspect_asn      bigint,
    suspect_set      bigint[]    NOT NULL,
    victim_asns      bigint[]    NOT NULL,
    first_seen       timestamptz NOT NULL,
    suspected_at     timestamptz,
    confirmed_at     timestamptz,
    ended_at         timestamptz,
    end_reason       text,
    last_seen        timestamptz NOT NULL,
    reopened         bigint      NOT NULL,
    visible_peers    bigint      NOT NULL,
    total_peers      bigint      NOT NULL,
    peer_asns        bigint[]    NOT NULL,
    evidence         jsonb       NOT NULL,
    reasons          jsonb       NOT NULL,
    synthetic        boolean     NOT NULL,
    transition       text        NOT NULL,
    transition_at    timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX bgp_conflicts_by_prefix     ON bgp_conflicts USING gist (prefix inet_ops);
CREATE INDEX bgp_conflicts_by_covering   ON bgp_conflicts (covering_prefix) WHERE covering_prefix IS NOT NULL;
CREATE INDEX bgp_conflicts_by_first_seen ON bgp_conflicts (first_seen, id);
CREATE INDEX bgp_conflicts_by_state      ON bgp_conflicts (state, first_seen, id);

CREATE TABLE bgp_conflict_history (
    incident_id      uuid        NOT NULL,
    version          bigint      NOT NULL,
    transition       text        NOT NULL,
    state            text        NOT NULL,
    severity         severity    NOT NULL,
    at               timestamptz NOT NULL,
    visible_peers    bigint      NOT NULL,
    total_peers      bigint      NOT NULL,
    reasons          jsonb       NOT NULL,
    PRIMARY KEY (incident_id, version)
);

-- Every ASN that has been an origin, an expected origin, the suspect or a victim.
CREATE TABLE bgp_conflict_asns (
    asn              bigint      NOT NULL,
    incident_id      uuid        NOT NULL,
    PRIMARY KEY (asn, incident_id)
);

CREATE TABLE sink_positions (
    topic            text        NOT NULL,
    partition        integer     NOT NULL,
    next_offset      bigint      NOT NULL,
    fence            bigint      NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE streams (
    stream           text        NOT NULL PRIMARY KEY,
    topic_epoch      bigint      NOT NULL
);

-- One row per prefix that a record announces or withdraws; one partition per day of event time (UTC), made
-- and dropped by the writer.
CREATE TABLE bgp_updates (
    event_time       timestamptz NOT NULL,
    topic            text        NOT NULL,
    partition        integer     NOT NULL,
    log_offset       bigint      NOT NULL,
    item             integer     NOT NULL,      -- counts the prefixes of one record
    receive_time     timestamptz NOT NULL,
    collector        text        NOT NULL,
    peer_address     inet        NOT NULL,
    peer_asn         bigint      NOT NULL,
    prefix           cidr        NOT NULL,
    action           text        NOT NULL,      -- announce, withdraw
    as_path          text        NOT NULL,
    origin_asn       bigint,
    next_hop         inet,
    med              bigint,
    local_pref       bigint,
    communities      text[]      NOT NULL,
    from_rib         boolean     NOT NULL,
    synthetic        boolean     NOT NULL,
    PRIMARY KEY (event_time, topic, partition, log_offset, item)
) PARTITION BY RANGE (event_time);
CREATE INDEX bgp_updates_by_prefix ON bgp_updates USING gist (prefix inet_ops);
