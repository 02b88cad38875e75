-- What a search reads is laid out for it: one look-up where it took a scan, and no decompression on the way.

-- In how many of a pool's paths a lexeme occurs, and in which, as long as they are few: what is in most paths finds
-- nothing. Paths that are gone may still be named.
CREATE TABLE path_lexeme (
    pool_id  int NOT NULL REFERENCES pool,
    lexeme   text NOT NULL,
    paths    int NOT NULL,
    path_ids int[],                              -- NULL: more than 500
    PRIMARY KEY (pool_id, lexeme)
);

INSERT INTO path_lexeme (pool_id, lexeme, paths, path_ids)
SELECT pool_id, lexeme, count(*), CASE WHEN count(*) <= 500 THEN array_agg(id) END
FROM path, unnest(lexemes) lexeme GROUP BY pool_id, lexeme;

DROP INDEX path_lexemes_idx;

-- Packed arrays do not shrink, and undoing their compression took as long as scoring them. Holds for what is written
-- from now on.
ALTER TABLE posting ALTER COLUMN chunk_ids SET STORAGE EXTERNAL;
ALTER TABLE posting ALTER COLUMN frequencies SET STORAGE EXTERNAL;
ALTER TABLE posting ALTER COLUMN lengths SET STORAGE EXTERNAL;

-- A search asks what chunks define; a collection, which has the chunks at hand, no longer asks by blob.
DROP INDEX definition_pool_id_blob_id_idx;
CREATE INDEX ON definition (pool_id, chunk_id);

-- Without statistics of what the last migrations filled, plans are made for empty tables.
ANALYZE path;
ANALYZE listing;
ANALYZE path_lexeme;
