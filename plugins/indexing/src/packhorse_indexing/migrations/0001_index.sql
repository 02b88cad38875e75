-- The index, content addressed: a repository is a list of path -> blob; chunks, embeddings and postings hang on blobs.
-- Every key begins with the pool, the family of repositories that share one git history: it is the unit of locking,
-- of collection and of partitioning. Blob, chunk and segment ids count up within their pool so that they stay 32 bits.

CREATE TABLE pool (
    id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity     text NOT NULL UNIQUE,           -- 'git:<root commit>' or 'folder:<real path>'
    embedder     text NOT NULL,                  -- what made the vectors, e.g. 'static:code-256@1f0c…'
    dimensions   smallint NOT NULL CHECK (dimensions > 0),
    last_blob    int NOT NULL DEFAULT 0,         -- the highest id handed out
    last_chunk   int NOT NULL DEFAULT 0,
    last_segment int NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE repository (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    pool_id     int NOT NULL REFERENCES pool,
    path        text NOT NULL UNIQUE,            -- absolute, resolved
    branch      text,                            -- as of the last indexing; NULL without git or detached
    revision    text,                            -- commit hash as of the last indexing
    indexed_at  timestamptz,                     -- end of the last complete run; NULL: never complete
    -- What the repository lists, as of the last committed batch: an answer tells its coverage without counting.
    files       int NOT NULL DEFAULT 0,          -- indexed files
    skipped     int NOT NULL DEFAULT 0,          -- files that are not indexed
    chunks      int NOT NULL DEFAULT 0,
    pending     int NOT NULL DEFAULT 0,          -- those chunks that wait for their embedding
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON repository (pool_id);

CREATE TABLE blob (
    pool_id     int NOT NULL REFERENCES pool,
    id          int NOT NULL,
    hash        bytea NOT NULL,                  -- SHA-256 of the bytes in the file
    language    text NOT NULL,                   -- part of the identity: it decides the chunking
    lines       int NOT NULL,
    bytes       int NOT NULL,
    chunks      int NOT NULL,
    embedded    int NOT NULL,                    -- those of its chunks that have a row in embedding
    rebuild     boolean NOT NULL DEFAULT false,  -- a forced run makes its chunks anew; cleared when it has
    orphaned_at timestamptz,                     -- since when no repository lists it; NULL: listed
    PRIMARY KEY (pool_id, id),
    UNIQUE (pool_id, hash, language)
);

-- One row per file of a repository, indexed or not. The stat signature decides whether the file must be read again;
-- a file modified within two seconds of its scan keeps none (mtime_ns NULL), as git does with racy entries.
CREATE TABLE file (
    pool_id       int NOT NULL,
    repository_id uuid NOT NULL REFERENCES repository ON DELETE CASCADE,
    path          text NOT NULL,                 -- relative, '/'-separated
    extension     text NOT NULL,                 -- lower case, without the dot; '' for none
    lexemes       text[] NOT NULL,               -- the code-aware lexemes of the path
    blob_id       int,                           -- NULL: not indexed, and skipped says why
    skipped       text,                          -- binary, too large, generated, secret, unreadable, encoding
    size          bigint,
    mtime_ns      bigint,
    ctime_ns      bigint,
    inode         bigint,                        -- modulo 2^63
    PRIMARY KEY (repository_id, path),
    FOREIGN KEY (pool_id, blob_id) REFERENCES blob,
    CHECK ((blob_id IS NULL) = (skipped IS NOT NULL))
);
CREATE INDEX ON file (pool_id, blob_id);
CREATE INDEX ON file USING gin (lexemes);

-- Chunks tile their file: start_line and end_line are 1-based and inclusive, ordinal counts from 0, and the contents
-- of a blob's chunks in that order are its text.
CREATE TABLE chunk (
    pool_id    int NOT NULL,
    id         int NOT NULL,
    blob_id    int NOT NULL,
    ordinal    int NOT NULL,
    start_line int NOT NULL,
    end_line   int NOT NULL,
    kind       text NOT NULL,                    -- function, class, method, module, section, text, …
    symbol     text,                             -- the definition that the chunk is or belongs to
    scope      text,                             -- its enclosing definitions, outermost first, joined by '.'
    signature  text,
    hash       bytea NOT NULL,                   -- first 16 bytes of the SHA-256 of the content: embeddings are reused by it
    length     int NOT NULL,                     -- in lexemes
    content    text NOT NULL,
    PRIMARY KEY (pool_id, id)
) PARTITION BY LIST (pool_id);
CREATE INDEX ON chunk (pool_id, blob_id);
CREATE INDEX ON chunk (pool_id, hash);

-- A chunk without a row here waits for its embedder; it is found by its words meanwhile.
CREATE TABLE embedding (
    pool_id  int NOT NULL,
    chunk_id int NOT NULL,
    blob_id  int NOT NULL,
    vector   halfvec NOT NULL,
    PRIMARY KEY (pool_id, chunk_id)
) PARTITION BY LIST (pool_id);
ALTER TABLE embedding ALTER COLUMN vector SET STORAGE PLAIN;

-- A name defined in a chunk, as written.
CREATE TABLE definition (
    pool_id  int NOT NULL,
    name     text NOT NULL,
    kind     text NOT NULL,
    chunk_id int NOT NULL,
    blob_id  int NOT NULL,
    line     int NOT NULL
) PARTITION BY LIST (pool_id);
CREATE INDEX ON definition (pool_id, lower(name));
CREATE INDEX ON definition (pool_id, blob_id);

-- The lexical index: for a lexeme in a segment, three packed little-endian arrays of equal length, ordered by chunk
-- id: chunk ids (int32), term frequencies (uint8, saturating) and chunk lengths in lexemes (uint16, saturating).
CREATE TABLE posting (
    pool_id     int NOT NULL,
    lexeme      text NOT NULL,
    segment     int NOT NULL,
    chunk_ids   bytea NOT NULL,
    frequencies bytea NOT NULL,
    lengths     bytea NOT NULL,
    PRIMARY KEY (pool_id, lexeme, segment)
) PARTITION BY LIST (pool_id);

-- A segment is written whole by one batch of an indexing run; its totals give BM25 its averages.
CREATE TABLE segment (
    pool_id    int NOT NULL REFERENCES pool,
    id         int NOT NULL,
    chunks     int NOT NULL,
    length     bigint NOT NULL,                  -- the sum of its chunks' lengths
    PRIMARY KEY (pool_id, id)
);

CREATE TABLE job (
    id             uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    repository_id  uuid NOT NULL REFERENCES repository ON DELETE CASCADE,
    pool_id        int NOT NULL REFERENCES pool,
    status         text NOT NULL CHECK (status IN ('queued', 'running', 'success', 'partial', 'failed', 'cancelled')),
    force          boolean NOT NULL DEFAULT false,
    phase          text NOT NULL DEFAULT 'scan' CHECK (phase IN ('scan', 'index', 'embed')),
    files_total    int NOT NULL DEFAULT 0,           -- what the scan found
    files_done     int NOT NULL DEFAULT 0,           -- up to date, unchanged ones included
    files_skipped  int NOT NULL DEFAULT 0,
    chunks_created int NOT NULL DEFAULT 0,
    embed_total    int NOT NULL DEFAULT 0,           -- chunks that waited for an embedder when it was their turn
    embed_done     int NOT NULL DEFAULT 0,
    errors         jsonb NOT NULL DEFAULT '[]',      -- sentences
    cancel         boolean NOT NULL DEFAULT false,   -- asked for; the worker obeys between batches
    worker         int,                              -- its process id, for people
    -- The files of the batch at work. A worker that died leaves them; the next one takes them one at a time, and what
    -- is alone when a worker dies again is `poisonous`: it is indexed by lines, without parsing.
    attempts       int NOT NULL DEFAULT 0,           -- workers that took it since its last progress
    marked         boolean NOT NULL DEFAULT false,   -- a forced one has marked the blobs that it rebuilds
    suspects       text[] NOT NULL DEFAULT '{}',
    isolating      boolean NOT NULL DEFAULT false,
    poisonous      text[] NOT NULL DEFAULT '{}',
    requested_at   timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    heartbeat_at   timestamptz,
    finished_at    timestamptz
);
CREATE INDEX ON job (repository_id, requested_at DESC);
CREATE INDEX ON job (pool_id) WHERE status IN ('queued', 'running');

-- Give a pool its own partitions. ATTACH takes a lock that lets searches go on, which CREATE … PARTITION OF does not.
CREATE FUNCTION create_partitions(pool int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['chunk', 'embedding', 'definition', 'posting'] LOOP
        EXECUTE format(
            'CREATE TABLE indexing.%1$I (LIKE indexing.%2$I INCLUDING ALL, CHECK (pool_id = %3$s))',
            parent || '_' || pool, parent, pool);
        EXECUTE format(
            'ALTER TABLE indexing.%2$I ATTACH PARTITION indexing.%1$I FOR VALUES IN (%3$s)',
            parent || '_' || pool, parent, pool);
    END LOOP;
END $$;

-- Take a pool's partitions away, with all their rows.
CREATE FUNCTION drop_partitions(pool int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
BEGIN
    FOREACH parent IN ARRAY ARRAY['chunk', 'embedding', 'definition', 'posting'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS indexing.%I', parent || '_' || pool);
    END LOOP;
END $$;
