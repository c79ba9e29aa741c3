-- The facts. Works on MySQL 8.4 and MariaDB 10.11.
--
-- Ids are BIGINT: 1 to 2^63−1. A version is the stream id of the change in its partition's outbox, kept as two numbers,
-- since as text '9-0' would sort after '10-0'. Times are UTC with milliseconds; times that order nothing are for people.
--
-- Whoever writes several of these in one transaction locks them in this order: partition_state, user_like, user_read,
-- user_collect, collect_outbox, and article_stats last and by ascending article.

-- Who likes what, and since when not any more: a row stays when its status becomes 0, for its version.
CREATE TABLE user_like (
    user_id     BIGINT     NOT NULL,
    article_id  BIGINT     NOT NULL,
    status      TINYINT    NOT NULL,
    version_ms  BIGINT     NOT NULL,
    version_seq BIGINT     NOT NULL,
    updated_at  DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, article_id),
    -- "My likes", newest first.
    KEY by_user (user_id, status, version_ms, version_seq, article_id),
    -- "Likers", newest first, and the rebuild's scan; covers both.
    KEY by_article (article_id, status, version_ms, version_seq, user_id)
);

CREATE TABLE user_collect (
    user_id    BIGINT      NOT NULL,
    article_id BIGINT      NOT NULL,
    created_at DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, article_id),
    KEY by_user (user_id, created_at, article_id),
    KEY by_article (article_id)
);

-- Collect events not yet in Kafka; the relay removes each after its confirmed delivery.
CREATE TABLE collect_outbox (
    id         BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    user_id    BIGINT       NOT NULL,
    article_id BIGINT       NOT NULL,
    status     TINYINT      NOT NULL,
    at_ms      BIGINT       NOT NULL,
    request_id VARCHAR(128) NOT NULL,
    ip_hash    VARCHAR(64)  NOT NULL
);

-- The last read of each signed-in user.
CREATE TABLE user_read (
    user_id      BIGINT      NOT NULL,
    article_id   BIGINT      NOT NULL,
    last_read_at DATETIME(3) NOT NULL,
    version_ms   BIGINT      NOT NULL,
    version_seq  BIGINT      NOT NULL,
    PRIMARY KEY (user_id, article_id)
);

CREATE TABLE article_stats (
    article_id       BIGINT      NOT NULL PRIMARY KEY,
    like_count       BIGINT      NOT NULL DEFAULT 0,
    collect_count    BIGINT      NOT NULL DEFAULT 0,
    pv               BIGINT      NOT NULL DEFAULT 0,
    uv               BIGINT      NOT NULL DEFAULT 0,
    -- The HyperLogLog as Redis stores it, so that a rebuild goes on counting where it was.
    uv_sketch        VARBINARY(16384) NULL,
    read_count       BIGINT      NOT NULL DEFAULT 0,
    read_version_ms  BIGINT      NOT NULL DEFAULT 0,
    read_version_seq BIGINT      NOT NULL DEFAULT 0,
    updated_at       DATETIME(3) NOT NULL,
    CONSTRAINT no_negative_counter CHECK
        (like_count >= 0 AND collect_count >= 0 AND pv >= 0 AND uv >= 0 AND read_count >= 0)
);

-- Users who may neither like nor collect. Redis has a copy in each partition.
CREATE TABLE user_bar (
    user_id BIGINT       NOT NULL PRIMARY KEY,
    at      DATETIME(3)  NOT NULL,
    reason  VARCHAR(255) NOT NULL
);

-- Users who asked to be forgotten: consume, replay and rebuild skip what they did before.
CREATE TABLE erased_user (
    user_id BIGINT      NOT NULL PRIMARY KEY,
    at      DATETIME(3) NOT NULL
);

-- What MySQL knows of each partition: the highest version seen, by which `warm` tells whether a restarted Redis lost
-- anything, and the epoch, which grows at each rebuild. A consumer locks the rows of its batch's partitions first, so
-- that two consumers never apply events of one article at once, whatever Kafka assigned to whom.
CREATE TABLE partition_state (
    p           TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    epoch       BIGINT NOT NULL DEFAULT 0,
    version_ms  BIGINT NOT NULL DEFAULT 0,
    version_seq BIGINT NOT NULL DEFAULT 0
);

INSERT INTO partition_state (p)
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 127)
SELECT n FROM numbers;

-- Relays that may still hold entries of a Redis that has gone: which server each reads from, and up to when everything
-- it took has been delivered or has failed for good. A rebuild waits until that is later than its own beginning, or the
-- relay has been silent for longer than a delivery may last. All times are this server's.
CREATE TABLE relay_session (
    relay_id   VARCHAR(64) NOT NULL PRIMARY KEY,
    run_id     VARCHAR(64) NOT NULL,
    drained_to DATETIME(3) NOT NULL,
    seen_at    DATETIME(3) NOT NULL
);
