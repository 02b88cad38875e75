-- What looking things up by their exact text and by their names needs.

-- The lexemes of a segment's postings, each between two newlines: a part of a word is found by reading this text, a
-- dozenth of the time that PostgreSQL takes to go through the keys of the postings.
CREATE TABLE vocabulary (
    pool_id int NOT NULL,
    segment int NOT NULL,
    lexemes text NOT NULL,
    PRIMARY KEY (pool_id, segment),
    FOREIGN KEY (pool_id, segment) REFERENCES segment
);
ALTER TABLE vocabulary ALTER COLUMN lexemes SET STORAGE EXTERNAL;  -- reading it must not wait for decompression

INSERT INTO vocabulary (pool_id, segment, lexemes)
SELECT pool_id, segment, E'\n' || string_agg(lexeme, E'\n') || E'\n' FROM posting GROUP BY pool_id, segment;

-- NULL in rows that were written before this migration; `packhorse index --force` fills them.
ALTER TABLE definition ADD COLUMN end_line int, ADD COLUMN scope text;
