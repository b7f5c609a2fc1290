-- Schema version 1. Kept to SQL that PostgreSQL understands too, but for the triggers.
-- Digests are 64 lower-case hexadecimal digits. Times are milliseconds since 1970, given by the caller.

-- Blobs whose bytes are durable. A row is written only after its file.
CREATE TABLE blobs (
    digest TEXT PRIMARY KEY NOT NULL CHECK (length(digest) = 64),
    bytes  BIGINT NOT NULL CHECK (bytes >= 0)
);

-- Content of models: the canonical manifest under its own digest.
CREATE TABLE models (
    digest   TEXT PRIMARY KEY NOT NULL CHECK (length(digest) = 64),
    manifest TEXT NOT NULL,
    bytes    BIGINT NOT NULL CHECK (bytes >= 0)
);

-- Which blobs a manifest speaks of.
CREATE TABLE model_blobs (
    model TEXT NOT NULL REFERENCES models (digest),
    blob  TEXT NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (model, blob)
);
CREATE INDEX model_blobs_by_blob ON model_blobs (blob);

-- What people call a model, and the circumstances of its making.
CREATE TABLE versions (
    name            TEXT NOT NULL,
    version         BIGINT NOT NULL CHECK (version >= 1),
    model           TEXT NOT NULL REFERENCES models (digest),
    scheme          TEXT NOT NULL REFERENCES blobs (digest),
    scheme_digest   TEXT NOT NULL,
    data_digest     TEXT NOT NULL,
    metrics         TEXT NOT NULL,
    run             TEXT,
    cpu_level       TEXT NOT NULL,
    engine_version  BIGINT NOT NULL,
    created_unix_ms BIGINT NOT NULL,
    PRIMARY KEY (name, version),
    UNIQUE (name, model)
);
CREATE INDEX versions_by_model ON versions (model);
CREATE INDEX versions_by_scheme ON versions (scheme);

CREATE TABLE aliases (
    name    TEXT NOT NULL,
    alias   TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (name, alias),
    FOREIGN KEY (name, version) REFERENCES versions (name, version)
);
CREATE INDEX aliases_by_version ON aliases (name, version);

-- Append-only: every change of every alias.
CREATE TABLE alias_history (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL,
    alias      TEXT NOT NULL,
    version    BIGINT NOT NULL,
    replaced   BIGINT,
    unix_ms    BIGINT NOT NULL
);
CREATE INDEX alias_history_by_name ON alias_history (name, sequence);
CREATE TRIGGER alias_history_keeps_rows BEFORE DELETE ON alias_history
BEGIN SELECT RAISE(ABORT, 'the history of aliases is append-only'); END;
CREATE TRIGGER alias_history_keeps_values BEFORE UPDATE ON alias_history
BEGIN SELECT RAISE(ABORT, 'the history of aliases is append-only'); END;

-- The stage cache: results under the stage's content key.
CREATE TABLE stage_results (
    key    TEXT PRIMARY KEY NOT NULL CHECK (length(key) = 64),
    result TEXT NOT NULL
);
CREATE TABLE stage_blobs (
    key      TEXT NOT NULL REFERENCES stage_results (key) ON DELETE CASCADE,
    position BIGINT NOT NULL,
    blob     TEXT NOT NULL REFERENCES blobs (digest),
    PRIMARY KEY (key, position)
);
CREATE INDEX stage_blobs_by_blob ON stage_blobs (blob);

CREATE TABLE runs (
    id               TEXT PRIMARY KEY NOT NULL,
    scheme_digest    TEXT NOT NULL,
    key              TEXT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('running', 'finished', 'failed', 'interrupted')),
    started_unix_ms  BIGINT NOT NULL,
    finished_unix_ms BIGINT
);
CREATE INDEX runs_by_key ON runs (key);
