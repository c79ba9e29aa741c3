-- What `warm` last saw of each partition's outbox while it was served. A Redis that is lost whole has lost at most the
-- entries that were waiting then, and what it acknowledged after. The time is the Redis server's, taken before the look.
CREATE TABLE outbox_seen (
    p       TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    seen_ms BIGINT NOT NULL,
    waiting BIGINT NOT NULL
);

-- Every rebuild, and what may have been lost before it: the entries seen waiting, and what was acknowledged from
-- `lost_from_ms` (NULL: nothing had been seen) to `noticed_ms`. Times are the Redis server's.
CREATE TABLE rebuild (
    id           BIGINT NOT NULL PRIMARY KEY AUTO_INCREMENT,
    noticed_ms   BIGINT NOT NULL,
    took_ms      BIGINT NOT NULL,
    reason       VARCHAR(255) NOT NULL,
    partitions   INT    NOT NULL,
    likes        BIGINT NOT NULL,
    articles     BIGINT NOT NULL,
    lost_of      INT    NOT NULL,
    lost_waiting BIGINT NOT NULL,
    lost_from_ms BIGINT NULL
);

-- The last snapshot of PV, UV and reads that was saved whole; one row.
CREATE TABLE last_snapshot (
    one      TINYINT     NOT NULL PRIMARY KEY DEFAULT 1,
    ended_at DATETIME(3) NOT NULL,
    took_ms  BIGINT      NOT NULL,
    articles BIGINT      NOT NULL
);
