-- The processes that warm, or stand by to: each says now and then that it lives.
CREATE TABLE warmer (
    warmer_id VARCHAR(255) NOT NULL PRIMARY KEY,
    seen_at   DATETIME(3)  NOT NULL
);
