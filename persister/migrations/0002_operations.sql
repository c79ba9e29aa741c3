-- What the persister knows of its own work. Times named `_ms` are the Redis server's, the others are this server's.

-- What MySQL knows of each partition: the highest version seen, by which `warm` decides whether a restarted Redis lost
-- anything, and the epoch, which grows at each rebuild. A consumer locks the rows of its batch's partitions first, so
-- that two consumers never apply events of one article at once, whatever Kafka assigned to whom.
CREATE TABLE IF NOT EXISTS partition_state (
    p           TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    epoch       BIGINT           NOT NULL DEFAULT 0,
    version_ms  BIGINT           NOT NULL DEFAULT 0,
    version_seq BIGINT           NOT NULL DEFAULT 0
);

INSERT IGNORE INTO partition_state (p)
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 127)
SELECT n FROM numbers;

-- Relays that may still hold entries of a Redis that has gone: one row for each relay and server, with the server's name
-- and the partitions as a set of 128 bits. Everything taken until `drained_to` has been delivered or has failed for good.
-- A rebuild waits until that is later than its own beginning, or the relay has been silent for longer than a delivery may
-- last.
CREATE TABLE IF NOT EXISTS relay_session (
    relay_id        VARCHAR(255)    NOT NULL PRIMARY KEY,
    partitions_low  BIGINT UNSIGNED NOT NULL,
    partitions_high BIGINT UNSIGNED NOT NULL,
    run_id          VARCHAR(96)     NOT NULL,
    drained_to      DATETIME(3)     NOT NULL,
    seen_at         DATETIME(3)     NOT NULL
);

-- The processes that warm, or stand by to: each reports every second.
CREATE TABLE IF NOT EXISTS warmer (
    warmer_id VARCHAR(255) NOT NULL PRIMARY KEY,
    seen_at   DATETIME(3)  NOT NULL
);

-- What `warm` last saw of each partition's outbox while it was served. A Redis that is lost whole has lost at most the
-- entries that were waiting then, and what it acknowledged after; and one that comes back with an older last id than was
-- seen has lost something.
CREATE TABLE IF NOT EXISTS outbox_seen (
    p        TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    seen_ms  BIGINT           NOT NULL,
    waiting  BIGINT           NOT NULL,
    last_ms  BIGINT           NOT NULL,
    last_seq BIGINT           NOT NULL
);

-- Every rebuild, and what may have been lost before it: the entries seen waiting, and what was acknowledged from
-- `lost_from_ms` (NULL: nothing had been seen) to `noticed_ms`.
CREATE TABLE IF NOT EXISTS rebuild (
    id           BIGINT       NOT NULL PRIMARY KEY AUTO_INCREMENT,
    noticed_ms   BIGINT       NOT NULL,
    took_ms      BIGINT       NOT NULL,
    reason       VARCHAR(255) NOT NULL,
    partitions   INT          NOT NULL,
    members      BIGINT       NOT NULL,
    articles     BIGINT       NOT NULL,
    lost_of      INT          NOT NULL,
    lost_waiting BIGINT       NOT NULL,
    lost_from_ms BIGINT       NULL
);

-- The last snapshot of PV, UV and reads that was saved whole; one row.
CREATE TABLE IF NOT EXISTS last_snapshot (
    one      TINYINT     NOT NULL PRIMARY KEY DEFAULT 1,
    ended_at DATETIME(3) NOT NULL,
    took_ms  BIGINT      NOT NULL,
    articles BIGINT      NOT NULL
);

-- Which records of the dead-letter queue have been put back on the event topic, so that none is put back twice. Rows of
-- records that Kafka has since dropped go with the next replay.
CREATE TABLE IF NOT EXISTS dlq_replayed (
    topic       VARCHAR(249) NOT NULL,
    p           INT          NOT NULL,
    record      BIGINT       NOT NULL,
    replayed_at DATETIME(3)  NOT NULL,
    PRIMARY KEY (topic, p, record)
);

-- The articles that gained most users of a kind lately, best first, replaced whole every few seconds. `span` is hour or
-- day (`window` is a reserved word of MySQL 8).
CREATE TABLE IF NOT EXISTS ranking (
    span       VARCHAR(8)       NOT NULL,
    kind       TINYINT UNSIGNED NOT NULL,
    place      INT              NOT NULL,
    article_id BIGINT           NOT NULL,
    gained     BIGINT           NOT NULL,
    PRIMARY KEY (span, kind, place)
);

-- What the ranking is made of and continues from, written in the same transaction. The row of kind 0 has the positions in
-- the topic and the versions that were counted, every other the windows of its kind. Everything that was in Kafka at
-- `as_of` is counted; NULL until the topic has been read to its end once.
CREATE TABLE IF NOT EXISTS trends (
    kind  TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    as_of DATETIME(3)      NULL,
    state LONGBLOB         NOT NULL
);
