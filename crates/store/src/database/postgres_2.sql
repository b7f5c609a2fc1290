-- Schema version 2: the tables of SQLite's versions 1 and 2 together. Texts compare by their bytes, as in SQLite.
-- Digests are 64 lower-case hexadecimal digits. Times are milliseconds since 1970, given by the caller.

-- Blobs whose bytes are durable. A row is written only after its file.
CREATE TABLE blobs (
    digest   TEXT COLLATE "C" PRIMARY KEY NOT NULL CHECK (length(digest) = 64),
    bytes    BIGINT NOT NULL CHECK (bytes >= 0),
    -- Bytes of a small blob; larger ones are files.
    content  BYTEA,
    -- How the file is written: plain or zstd.
    encoding TEXT COLLATE "C" NOT NULL DEFAULT 'plain'
);

-- Content of models: the canonical manifest under its own digest.
CREATE TABLE models (
    digest   TEXT COLLATE "C" PRIMARY KEY NOT NULL CHECK (length(digest) = 64),
    manifest TEXT COLLATE "C" NOT NULL,
    bytes    BIGINT NOT NULL CHECK (bytes >= 0)
);

-- Which blobs a manifest speaks of.
CREATE TABLE model_blobs (
    model TEXT COLLATE "C" NOT NULL REFERENCES models (digest),
    blob  TEXT COLLATE "C" NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (model, blob)
);
CREATE INDEX model_blobs_by_blob ON model_blobs (blob);

-- What people call a model, and the circumstances of its making.
CREATE TABLE versions (
    name            TEXT COLLATE "C" NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1),
    model           TEXT COLLATE "C" NOT NULL REFERENCES models (digest),
    scheme          TEXT COLLATE "C" NOT NULL REFERENCES blobs (digest),
    scheme_digest   TEXT COLLATE "C" NOT NULL,
    data_digest     TEXT COLLATE "C" NOT NULL,
    metrics         TEXT COLLATE "C" NOT NULL,
    run             TEXT COLLATE "C",
    cpu_level       TEXT COLLATE "C" NOT NULL,
    engine_version  BIGINT NOT NULL,
    created_unix_ms BIGINT NOT NULL,
    PRIMARY KEY (name, version),
    UNIQUE (name, model)
);
CREATE INDEX versions_by_model ON versions (model);
CREATE INDEX versions_by_scheme ON versions (scheme);

CREATE TABLE aliases (
    name    TEXT COLLATE "C" NOT NULL,
    alias   TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (name, alias),
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);
CREATE INDEX aliases_by_version ON aliases (name, version);

-- The stage cache: results under the stage's content key.
CREATE TABLE stage_results (
    key    TEXT COLLATE "C" PRIMARY KEY NOT NULL CHECK (length(key) = 64),
    result TEXT COLLATE "C" NOT NULL
);
CREATE TABLE stage_blobs (
    key      TEXT COLLATE "C" NOT NULL REFERENCES stage_results (key) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    blob     TEXT COLLATE "C" NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (key, position)
);
CREATE INDEX stage_blobs_by_blob ON stage_blobs (blob);

CREATE TABLE runs (
    id               TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    scheme_digest    TEXT COLLATE "C" NOT NULL,
    key              TEXT COLLATE "C" NOT NULL,
    state            TEXT COLLATE "C" NOT NULL CHECK (state IN ('running', 'finished', 'failed', 'interrupted')),
    started_unix_ms  BIGINT NOT NULL,
    finished_unix_ms BIGINT
);
CREATE INDEX runs_by_key ON runs (key);

-- Blobs beside a version that are no part of the model: its scheme as written, the records it saw, cases.
CREATE TABLE version_blobs (
    name    TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    role    TEXT COLLATE "C" NOT NULL,
    blob    TEXT COLLATE "C" NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (name, version, role),
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);
CREATE INDEX version_blobs_by_blob ON version_blobs (blob);

-- Which version was made from which.
CREATE TABLE parents (
    name           TEXT COLLATE "C" NOT NULL,
    version        BIGINT NOT NULL,
    relation       TEXT COLLATE "C" NOT NULL,
    parent_name    TEXT COLLATE "C" NOT NULL,
    parent_version BIGINT NOT NULL,
    facts          TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (name, version, relation, parent_name, parent_version),
    FOREIGN KEY (name, version) REFERENCES versions (name, version),
    FOREIGN KEY (parent_name, parent_version) REFERENCES versions (name, version)
);
CREATE INDEX parents_by_parent ON parents (parent_name, parent_version);

-- What people say about a version; every change is in the history.
CREATE TABLE annotations (
    name    TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    key     TEXT COLLATE "C" NOT NULL,
    value   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (name, version, key),
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);

-- Versions that must not be used; so must none that descends from them.
CREATE TABLE recalls (
    name    TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    reason  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (name, version),
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);

CREATE TABLE signatures (
    name     TEXT COLLATE "C" NOT NULL,
    version  BIGINT NOT NULL,
    key_id   TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL,
    unix_ms  BIGINT NOT NULL,
    PRIMARY KEY (name, version, key_id),
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);

-- Registered schemes: resolved, and as written.
CREATE TABLE schemes (
    name            TEXT COLLATE "C" NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1),
    scheme_digest   TEXT COLLATE "C" NOT NULL,
    resolved        TEXT COLLATE "C" NOT NULL REFERENCES blobs (digest),
    sources         TEXT COLLATE "C" NOT NULL REFERENCES blobs (digest),
    description     TEXT COLLATE "C" NOT NULL,
    created_unix_ms BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE INDEX schemes_by_digest ON schemes (scheme_digest);
CREATE INDEX schemes_by_resolved ON schemes (resolved);
CREATE INDEX schemes_by_sources ON schemes (sources);

-- The direct parents of a registered scheme, in their order. `parent_version` is NULL for files.
CREATE TABLE scheme_parents (
    name           TEXT COLLATE "C" NOT NULL,
    version        BIGINT NOT NULL,
    position       BIGINT NOT NULL,
    reference      TEXT COLLATE "C" NOT NULL,
    parent_name    TEXT COLLATE "C" NOT NULL,
    parent_version BIGINT,
    digest         TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (name, version, position),
    FOREIGN KEY (name, version) REFERENCES schemes (name, version)
);
CREATE INDEX scheme_parents_by_parent ON scheme_parents (parent_name, parent_version);

CREATE TABLE settings (
    key   TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    value TEXT COLLATE "C" NOT NULL
);

-- Append-only: everything that ever happened, in the order in which it took effect.
CREATE TABLE history (
    sequence BIGINT PRIMARY KEY NOT NULL,
    unix_ms  BIGINT NOT NULL,
    actor    TEXT COLLATE "C" NOT NULL,
    action   TEXT COLLATE "C" NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    version  BIGINT,
    subject  TEXT COLLATE "C",
    value    TEXT COLLATE "C",
    replaced TEXT COLLATE "C",
    reason   TEXT COLLATE "C"
);
CREATE INDEX history_by_name ON history (name, sequence);
CREATE FUNCTION history_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the history is append-only'; END $$;
CREATE TRIGGER history_keeps_rows BEFORE UPDATE OR DELETE ON history
FOR EACH ROW EXECUTE FUNCTION history_is_append_only();
CREATE TRIGGER history_keeps_all_rows BEFORE TRUNCATE ON history
FOR EACH STATEMENT EXECUTE FUNCTION history_is_append_only();
