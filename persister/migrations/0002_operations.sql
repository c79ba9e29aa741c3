-- What the persister records about its own work. Times named `_ms` are by Redis's clock, the others by this server's.

-- What MySQL knows about each partition: the highest version seen, by which `warm` decides whether a restarted Redis lost
-- anything, and the epoch, which grows at each rebuild. A consumer first locks the rows of the partitions in its batch. So two
-- consumers never apply events of one article at the same time, even while Kafka reassigns partitions.
CREATE TABLE IF NOT EXISTS partition_state (
    p           TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    epoch       BIGINT           NOT NULL DEFAULT 0,
    version_ms  BIGINT           NOT NULL DEFAULT 0,
    version_seq BIGINT           NOT NULL DEFAULT 0
);

INSERT IGNORE INTO partition_state (p)
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 127)
SELECT n FROM numbers;

-- Relays that may still have entries in flight from a Redis that is gone. There is one row for each relay and server, with the
-- server's name, and with the partitions as a set of 128 bits. Everything that the relay took until `drained_to` has been
-- delivered, or has failed permanently. A rebuild waits until `drained_to` is later than its own beginning, or until the relay
-- has been silent for longer than a delivery may take.
CREATE TABLE IF NOT EXISTS relay_session (
    relay_id        VARCHAR(255)    NOT NULL PRIMARY KEY,
    partitions_low  BIGINT UNSIGNED NOT NULL,
    partitions_high BIGINT UNSIGNED NOT NULL,
    run_id          VARCHAR(96)     NOT NULL,
    drained_to      DATETIME(3)     NOT NULL,
    seen_at         DATETIME(3)     NOT NULL
);

-- The processes that run `warm`, active or standing by. Each reports every second.
CREATE TABLE IF NOT EXISTS warmer (
    warmer_id VARCHAR(255) NOT NULL PRIMARY KEY,
    seen_at   DATETIME(3)  NOT NULL
);

-- What `warm` last saw of each partition's outbox while the partition was served. If Redis loses everything, at most the
-- entries that waited then, and the changes acknowledged later, are lost. A Redis that comes back with an older last id than
-- the one seen has lost something.
CREATE TABLE IF NOT EXISTS outbox_seen (
    p        TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    seen_ms  BIGINT           NOT NULL,
    waiting  BIGINT           NOT NULL,
    last_ms  BIGINT           NOT NULL,
    last_seq BIGINT           NOT NULL
);

-- Every rebuild, and what may be lost because of what led to it: the entries seen waiting, and the changes acknowledged from
-- `lost_from_ms` to `noticed_ms`. `lost_from_ms` is NULL if the outbox had never been seen.
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

-- The last complete snapshot of PV, UV and reads. One row.
CREATE TABLE IF NOT EXISTS last_snapshot (
    one      TINYINT     NOT NULL PRIMARY KEY DEFAULT 1,
    ended_at DATETIME(3) NOT NULL,
    took_ms  BIGINT      NOT NULL,
    articles BIGINT      NOT NULL
);

-- Which records of the dead-letter queue were put back on the event topic, so that none is put back twice. The next replay
-- deletes the rows of records that Kafka has dropped.
CREATE TABLE IF NOT EXISTS dlq_replayed (
    topic       VARCHAR(249) NOT NULL,
    p           INT          NOT NULL,
    record      BIGINT       NOT NULL,
    replayed_at DATETIME(3)  NOT NULL,
    PRIMARY KEY (topic, p, record)
);

-- The articles of which a counter gained most within the last hour, day or week, best first. The whole table is replaced every
-- few seconds. `kind` is the code of a kind or of another counter, as in `history`. The column is called `span` because `window`
-- is a reserved word of MySQL 8.
CREATE TABLE IF NOT EXISTS ranking (
    span       VARCHAR(8)       NOT NULL,
    kind       TINYINT UNSIGNED NOT NULL,
    place      INT              NOT NULL,
    article_id BIGINT           NOT NULL,
    gained     BIGINT           NOT NULL,
    PRIMARY KEY (span, kind, place)
);

-- The counts from which the ranking is made and continued, written in the same transaction as the history, and less often than the
-- ranking. The row of kind 0 has the positions in the topic and the versions already counted. Every other row has the windows of
-- its kind, or of another counter. The ranking has everything that was in Kafka at `as_of`. `as_of` is NULL until the topic has
-- been read to its end once. `writes` is how often the row of kind 0 was written: only the process that wrote it last may continue from it.
CREATE TABLE IF NOT EXISTS trends (
    kind   TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    as_of  DATETIME(3)      NULL,
    writes BIGINT           NOT NULL DEFAULT 0,
    state  LONGBLOB         NOT NULL
);
