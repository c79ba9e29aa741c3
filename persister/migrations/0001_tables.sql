-- The facts. Works on MySQL 8.4 and 9.7, and on MariaDB 10.11 and 11.8.
--
-- Columns `user_id` and `article_id` hold numbers: an id that is a decimal below 2^62 is its own number, every other id is a
-- name, whose number is 2^62 or more and whose text is in the table `name`. A version is two numbers, since as text '9-0' would sort after '10-0': the stream id of the
-- change in its partition's outbox, or for a kind whose truth is MySQL the time in ms and the outbox row's id. Times are
-- UTC with milliseconds; times that order nothing are for people.
--
-- Whoever writes several of these in one transaction locks them in this order: partition_state, name, interaction, user_read,
-- projection, outbox, interaction_count by ascending article and kind, article_stats by ascending article, deleted_article.

-- The kinds' numbers, for people's queries: `persister migrate` writes them from the one table in contract/src/kind.rs.
CREATE TABLE IF NOT EXISTS kind (
    code TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    name VARCHAR(32)      NOT NULL UNIQUE
);

-- The texts of the ids that are names, written in the transaction of the first row that has the number. A text never
-- changes; the name of a user goes when the user is erased, that of an article when it is deleted.
CREATE TABLE IF NOT EXISTS name (
    kind   ENUM('user', 'article') NOT NULL,
    number BIGINT                  NOT NULL,
    text   VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (kind, number)
);

-- Who has which kind on for what, and since when not any more: a row stays when its status becomes 0, for its version.
--
-- Clustered by article, so that the events of a hot article touch few pages.
CREATE TABLE IF NOT EXISTS interaction (
    article_id  BIGINT           NOT NULL,
    kind        TINYINT UNSIGNED NOT NULL,
    user_id     BIGINT           NOT NULL,
    -- The article's partition, as Rust computes it.
    p           TINYINT UNSIGNED NOT NULL,
    status      TINYINT          NOT NULL,
    version_ms  BIGINT           NOT NULL,
    version_seq BIGINT           NOT NULL,
    updated_at  DATETIME(3)      NOT NULL,
    PRIMARY KEY (article_id, kind, user_id),
    -- A user's list, newest first.
    KEY by_user (user_id, kind, status, version_ms, version_seq, article_id),
    -- An article's list, newest first, and the scan of a rebuild; covers both.
    KEY by_partition (p, article_id, kind, status, version_ms, version_seq, user_id)
);

-- How many users have a kind on for an article: Σ status of `interaction`, changed in the same transaction.
CREATE TABLE IF NOT EXISTS interaction_count (
    article_id BIGINT           NOT NULL,
    kind       TINYINT UNSIGNED NOT NULL,
    count      BIGINT           NOT NULL DEFAULT 0,
    PRIMARY KEY (article_id, kind),
    CONSTRAINT no_negative_count CHECK (count >= 0)
);

CREATE TABLE IF NOT EXISTS article_stats (
    article_id       BIGINT           NOT NULL PRIMARY KEY,
    pv               BIGINT           NOT NULL DEFAULT 0,
    uv               BIGINT           NOT NULL DEFAULT 0,
    -- The HyperLogLog as Redis stores it, so that a rebuild goes on counting where it was.
    uv_sketch        VARBINARY(16384) NULL,
    read_count       BIGINT           NOT NULL DEFAULT 0,
    read_version_ms  BIGINT           NOT NULL DEFAULT 0,
    read_version_seq BIGINT           NOT NULL DEFAULT 0,
    updated_at       DATETIME(3)      NOT NULL,
    CONSTRAINT no_negative_counter CHECK (pv >= 0 AND uv >= 0 AND read_count >= 0)
);

-- The last read of each signed-in user.
CREATE TABLE IF NOT EXISTS user_read (
    user_id      BIGINT      NOT NULL,
    article_id   BIGINT      NOT NULL,
    last_read_at DATETIME(3) NOT NULL,
    version_ms   BIGINT      NOT NULL,
    version_seq  BIGINT      NOT NULL,
    PRIMARY KEY (user_id, article_id),
    -- What is older than the site keeps it goes.
    KEY by_time (last_read_at)
);

-- Changes of kinds whose truth is MySQL, written in the transaction that makes them. Two readers, each at its own pace:
-- one brings the projection in Redis up to it, the other ships it to Kafka. A row goes when both have.
--
-- The rows of one user and article have ids in the order of their changes: each is written under the lock of its row in
-- `interaction`.
CREATE TABLE IF NOT EXISTS outbox (
    id         BIGINT           NOT NULL AUTO_INCREMENT PRIMARY KEY,
    p          TINYINT UNSIGNED NOT NULL,
    kind       TINYINT UNSIGNED NOT NULL,
    user_id    BIGINT           NOT NULL,
    article_id BIGINT           NOT NULL,
    status     TINYINT          NOT NULL,
    -- With the id, the version of the change.
    version_ms BIGINT           NOT NULL,
    cause      VARCHAR(16)      NOT NULL,
    at_ms      BIGINT           NOT NULL,
    request_id VARCHAR(128)     NOT NULL,
    ip_hash    VARCHAR(64)      NOT NULL,
    -- The texts of ids that are names: the user may be erased before the row is shipped.
    user_name    VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL,
    article_name VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL,
    projected  BOOLEAN          NOT NULL DEFAULT FALSE,
    shipped    BOOLEAN          NOT NULL DEFAULT FALSE,
    KEY to_project (projected, id),
    KEY to_ship (shipped, id)
);

-- The last token given to a process that writes projections. One row.
CREATE TABLE IF NOT EXISTS projector (
    one   TINYINT NOT NULL PRIMARY KEY DEFAULT 1,
    token BIGINT  NOT NULL
);

INSERT IGNORE INTO projector (token) VALUES (0);

-- The projection of each partition: the token of the only process that may record its work there, and how many writes Redis
-- has had, as far as MySQL knows. A server that has had fewer lost some. This is a table of its own, since consumers lock the
-- rows of partition_state for as long as a batch takes.
CREATE TABLE IF NOT EXISTS projection (
    p      TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    token  BIGINT           NOT NULL DEFAULT 0,
    writes BIGINT           NOT NULL DEFAULT 0
);

INSERT IGNORE INTO projection (p)
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 127)
SELECT n FROM numbers;

-- Users who may switch no kind on or off. Redis has a copy in each partition.
CREATE TABLE IF NOT EXISTS user_bar (
    user_id BIGINT       NOT NULL PRIMARY KEY,
    at      DATETIME(3)  NOT NULL,
    reason  VARCHAR(255) NOT NULL
);

-- Users who asked to be forgotten: consume, replay and rebuild skip what they did before.
CREATE TABLE IF NOT EXISTS erased_user (
    user_id BIGINT      NOT NULL PRIMARY KEY,
    at      DATETIME(3) NOT NULL
);

-- Articles that the site deleted: consume, replay, rebuild and snapshot skip what happened to them up to the version, which
-- their partition's outbox had when they were removed from Redis. `at` is that moment by Redis's clock.
CREATE TABLE IF NOT EXISTS deleted_article (
    article_id  BIGINT      NOT NULL PRIMARY KEY,
    at          DATETIME(3) NOT NULL,
    version_ms  BIGINT      NOT NULL,
    version_seq BIGINT      NOT NULL,
    -- The ranking asks for the latest.
    KEY by_time (at)
);
