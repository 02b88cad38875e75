-- What tells of indexing needs: how fast a job really is, why a parser gave up on a file, where a clone came from.

ALTER TABLE job
    ADD COLUMN files_unchanged int NOT NULL DEFAULT 0, -- those of files_done for which there was nothing to do
    ADD COLUMN renew boolean NOT NULL DEFAULT false,   -- the clone first
    ADD COLUMN phase_at timestamptz,                   -- when it entered its phase
    ADD COLUMN reported_at timestamptz,                -- when files_done and embed_done were counted
    DROP CONSTRAINT job_phase_check,
    ADD CONSTRAINT job_phase_check CHECK (phase IN ('fetch', 'scan', 'index', 'embed'));

ALTER TABLE blob ADD COLUMN fallback text;             -- why it was cut by lines and not along its syntax; NULL: it was

ALTER TABLE repository ADD COLUMN url text;            -- what the folder is a clone of, made by us; NULL: it is the user's
