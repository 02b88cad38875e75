-- A path with its lexemes is kept once for a pool, and a repository's list is narrow: a second worktree costs
-- some 140 bytes for a file, indexes included, where it cost 630.

ALTER TABLE pool ADD COLUMN last_path int NOT NULL DEFAULT 0;       -- the highest id handed out

ALTER TABLE repository ADD COLUMN key int GENERATED ALWAYS AS IDENTITY;  -- what its list's rows carry for the uuid
DROP INDEX repository_pool_id_idx;
ALTER TABLE repository ADD UNIQUE (pool_id, key);
CREATE UNIQUE INDEX ON repository (key);

-- The paths of a pool's files, those included that no repository lists for the moment.
CREATE TABLE path (
    pool_id   int NOT NULL REFERENCES pool,
    id        int NOT NULL,
    path      text NOT NULL,                     -- relative, '/'-separated
    extension text NOT NULL,                     -- lower case, without the dot; '' for none
    lexemes   text[] NOT NULL,                   -- the code-aware lexemes of the path
    PRIMARY KEY (pool_id, id),
    UNIQUE (pool_id, path)
);

-- One row per file of a repository, indexed or not. The stat signature decides whether the file must be read again;
-- a file modified within two seconds of its scan keeps none (mtime_ns NULL), as git does with racy entries.
CREATE TABLE listing (
    pool_id       int NOT NULL,
    repository    int NOT NULL,                  -- its key
    path_id       int NOT NULL,
    blob_id       int,                           -- NULL: not indexed, and skipped says why
    size          bigint,
    mtime_ns      bigint,
    ctime_ns      bigint,
    inode         bigint,                        -- modulo 2^63
    skipped       text,                          -- binary, too large, generated, secret, unreadable, encoding
    PRIMARY KEY (pool_id, repository, path_id),
    FOREIGN KEY (pool_id, repository) REFERENCES repository (pool_id, key) ON DELETE CASCADE,
    FOREIGN KEY (pool_id, path_id) REFERENCES path,
    FOREIGN KEY (pool_id, blob_id) REFERENCES blob,
    CHECK ((blob_id IS NULL) = (skipped IS NOT NULL))
);

INSERT INTO path (pool_id, id, path, extension, lexemes)
SELECT pool_id, row_number() OVER (PARTITION BY pool_id ORDER BY path), path, extension, lexemes
FROM (SELECT DISTINCT ON (pool_id, path) pool_id, path, extension, lexemes FROM file ORDER BY pool_id, path) known;

UPDATE pool SET last_path = (SELECT coalesce(max(id), 0) FROM path WHERE pool_id = pool.id);

INSERT INTO listing (pool_id, repository, path_id, blob_id, size, mtime_ns, ctime_ns, inode, skipped)
SELECT f.pool_id, r.key, p.id, f.blob_id, f.size, f.mtime_ns, f.ctime_ns, f.inode, f.skipped
FROM file f JOIN repository r ON r.id = f.repository_id JOIN path p ON p.pool_id = f.pool_id AND p.path = f.path
ORDER BY f.pool_id, r.key, p.id;

CREATE INDEX ON path USING gin (lexemes);
CREATE INDEX ON listing (pool_id, blob_id);

DROP TABLE file;

-- The list with its paths. Every row has its repository and path; that the joins are outer ones lets the planner
-- leave out those of which a query uses nothing.
CREATE VIEW file AS
SELECT l.pool_id, r.id AS repository_id, p.path, p.extension, p.lexemes, l.blob_id, l.skipped,
       l.size, l.mtime_ns, l.ctime_ns, l.inode
FROM listing l
LEFT JOIN repository r ON r.pool_id = l.pool_id AND r.key = l.repository
LEFT JOIN path p ON p.pool_id = l.pool_id AND p.id = l.path_id;
