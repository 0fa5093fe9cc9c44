-- The topic epoch, and the updates that are kept: one row per prefix that a record announces or withdraws.

CREATE TABLE streams (
    stream           TEXT    NOT NULL PRIMARY KEY,
    topic_epoch      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE bgp_updates (
    event_time_us    INTEGER NOT NULL,
    partition        INTEGER NOT NULL,
    offset           INTEGER NOT NULL,
    item             INTEGER NOT NULL,           -- counts the prefixes of one record
    family           INTEGER NOT NULL,
    network_start    BLOB    NOT NULL,
    network_end      BLOB    NOT NULL,
    prefix_length    INTEGER NOT NULL,
    update_json      TEXT    NOT NULL,           -- the rest of the row
    PRIMARY KEY (event_time_us, partition, offset, item)
) WITHOUT ROWID;
CREATE INDEX bgp_updates_by_network ON bgp_updates (family, network_start, prefix_length);
