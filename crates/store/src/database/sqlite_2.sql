-- Schema version 2: small blobs beside their rows, lineage, annotations, recalls, signatures,
-- registered schemes, settings, and one history of everything.

-- Bytes of a small blob; larger ones are files. `encoding` is how the file is written: plain or zstd.
ALTER TABLE blobs ADD COLUMN content BLOB;
ALTER TABLE blobs ADD COLUMN encoding TEXT NOT NULL DEFAULT 'plain';

-- Blobs beside a version that are no part of the model: its scheme as written, the records it saw, cases.
CREATE TABLE version_blobs (
    name    TEXT NOT NULL,
    version BIGINT NOT NULL,
    role    TEXT NOT NULL,
    blob    TEXT NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (name, version, role),
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);
CREATE INDEX version_blobs_by_blob ON version_blobs (blob);

-- Which version was made from which.
CREATE TABLE parents (
    name           TEXT NOT NULL,
    version        BIGINT NOT NULL,
    relation       TEXT NOT NULL,
    parent_name    TEXT NOT NULL,
    parent_version BIGINT NOT NULL,
    facts          TEXT NOT NULL,
    PRIMARY KEY (name, version, relation, parent_name, parent_version),
    FOREIGN KEY (name, version) REFERENCES versions (name, version),
    FOREIGN KEY (parent_name, parent_version) REFERENCES versions (name, version)
);
CREATE INDEX parents_by_parent ON parents (parent_name, parent_version);

-- What people say about a version; every change is in the history.
CREATE TABLE annotations (
    name    TEXT NOT NULL,
    version BIGINT NOT NULL,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (name, version, key),
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);

-- Versions that must not be used; so must none that descends from them.
CREATE TABLE recalls (
    name    TEXT NOT NULL,
    version BIGINT NOT NULL,
    reason  TEXT NOT NULL,
    PRIMARY KEY (name, version),
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);

CREATE TABLE signatures (
    name     TEXT NOT NULL,
    version  BIGINT NOT NULL,
    key_id   TEXT NOT NULL,
    document TEXT NOT NULL,
    unix_ms  BIGINT NOT NULL,
    PRIMARY KEY (name, version, key_id),
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);

-- Registered schemes: resolved, and as written.
CREATE TABLE schemes (
    name            TEXT NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1),
    scheme_digest   TEXT NOT NULL,
    resolved        TEXT NOT NULL REFERENCES blobs (digest),
    sources         TEXT NOT NULL REFERENCES blobs (digest),
    description     TEXT NOT NULL,
    created_unix_ms BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE INDEX schemes_by_digest ON schemes (scheme_digest);
CREATE INDEX schemes_by_resolved ON schemes (resolved);
CREATE INDEX schemes_by_sources ON schemes (sources);

-- The direct parents of a registered scheme, in their order. `parent_version` is NULL for files.
CREATE TABLE scheme_parents (
    name           TEXT NOT NULL,
    version        BIGINT NOT NULL,
    position       BIGINT NOT NULL,
    reference      TEXT NOT NULL,
    parent_name    TEXT NOT NULL,
    parent_version BIGINT,
    digest         TEXT NOT NULL,
    PRIMARY KEY (name, version, position),
    FOREIGN KEY (name, version) REFERENCES schemes (name, version)
);
CREATE INDEX scheme_parents_by_parent ON scheme_parents (parent_name, parent_version);

CREATE TABLE settings (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);

-- Append-only: everything that ever happened, in the order in which it took effect.
CREATE TABLE history (
    sequence BIGINT PRIMARY KEY NOT NULL,
    unix_ms  BIGINT NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    name     TEXT NOT NULL,
    version  BIGINT,
    subject  TEXT,
    value    TEXT,
    replaced TEXT,
    reason   TEXT
);
CREATE INDEX history_by_name ON history (name, sequence);
CREATE TRIGGER history_keeps_rows BEFORE DELETE ON history
BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
CREATE TRIGGER history_keeps_values BEFORE UPDATE ON history
BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;

INSERT INTO history (sequence, unix_ms, actor, action, name, version, subject, replaced)
SELECT sequence, unix_ms, '', 'alias', name, version, alias, CAST(replaced AS TEXT) FROM alias_history;
DROP TABLE alias_history;
