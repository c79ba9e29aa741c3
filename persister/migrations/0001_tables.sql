-- The facts. This works on MySQL 8.4 and 9.7, and on MariaDB 10.11 and 11.8.
--
-- Columns `user_id` and `article_id` contain numbers. An id that is a decimal below 2^62 is its own number. Every other id is a
-- name: its number is 2^62 or more, and its text is in the table `name`.
--
-- A version is two numbers, because as text '9-0' would sort after '10-0'. For a kind whose truth is Redis, they are the id of the
-- change in its partition's outbox. For a kind whose truth is MySQL, they are the time in ms and the id of the outbox row.
--
-- Times are UTC with milliseconds. Only versions order changes; times are for people.
--
-- A transaction that writes several of these tables locks them in this order: partition_state, name, interaction, user_read,
-- projection, outbox, interaction_count by ascending article and kind, article_stats by ascending article, deleted_article,
-- trends, history and viewed by ascending primary key.

-- The kinds' codes and names, for queries by people. `persister migrate` copies them from contract/src/kind.rs.
CREATE TABLE IF NOT EXISTS kind (
    code TINYINT UNSIGNED NOT NULL PRIMARY KEY,
    name VARCHAR(32)      NOT NULL UNIQUE
);

-- The texts of the ids that are names. The transaction that writes the first row with a number also writes its text. A text
-- never changes. Erasing a user deletes the user's name, and deleting an article deletes the article's name.
CREATE TABLE IF NOT EXISTS name (
    kind   ENUM('user', 'article') NOT NULL,
    number BIGINT                  NOT NULL,
    text   VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (kind, number)
);

-- Which user has switched which kind on or off for which article. A row stays when its status becomes 0, because its version
-- is still needed.
--
-- The rows are clustered by article, so that the events of a hot article touch few pages.
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
    -- Covers an article's list, newest first, and the scan of a rebuild.
    KEY by_partition (p, article_id, kind, status, version_ms, version_seq, user_id)
);

-- How many users have a kind on for an article. This is the sum of `interaction.status`, and changes in the same transaction.
CREATE TABLE IF NOT EXISTS interaction_count (
    article_id BIGINT           NOT NULL,
    kind       TINYINT UNSIGNED NOT NULL,
    count      BIGINT           NOT NULL DEFAULT 0,
    PRIMARY KEY (article_id, kind),
    CONSTRAINT no_negative_count CHECK (count >= 0)
);

CREATE TABLE IF NOT EXISTS article_stats (
    article_id       BIGINT           NOT NULL PRIMARY KEY,
    -- The article's partition, as Rust computes it.
    p                TINYINT UNSIGNED NOT NULL,
    pv               BIGINT           NOT NULL DEFAULT 0,
    uv               BIGINT           NOT NULL DEFAULT 0,
    -- The HyperLogLog as Redis stores it, so that a rebuilt Redis continues the count.
    uv_sketch        VARBINARY(16384) NULL,
    -- By how much the last snapshot raised the two; the same transaction adds this to `history`. PV up to `pv_imported` are
    -- another system's, and not counted there.
    pv_gained        BIGINT           NOT NULL DEFAULT 0,
    uv_gained        BIGINT           NOT NULL DEFAULT 0,
    pv_imported      BIGINT           NOT NULL DEFAULT 0,
    read_count       BIGINT           NOT NULL DEFAULT 0,
    read_version_ms  BIGINT           NOT NULL DEFAULT 0,
    read_version_seq BIGINT           NOT NULL DEFAULT 0,
    updated_at       DATETIME(3)      NOT NULL,
    -- For a rebuild of some partitions.
    KEY by_partition (p),
    CONSTRAINT no_negative_counter CHECK (pv >= 0 AND uv >= 0 AND read_count >= 0)
);

-- What users and visitors did with an article on a day of UTC. `counter` is the code of a kind, 255 for reads, 254 for PV,
-- 253 for UV (contract/src/counter.rs); a counter that did not change has no row. `lost` is how often a kind was switched off.
-- Nothing in here names a user.
--
-- The job `trends` adds what it counts in the stream, in the transaction of its checkpoint, and the snapshot adds PV and UV,
-- in the transaction that raises them. So each change is in here once.
CREATE TABLE IF NOT EXISTS history (
    article_id BIGINT           NOT NULL,
    day        DATE             NOT NULL,
    counter    TINYINT UNSIGNED NOT NULL,
    gained     BIGINT           NOT NULL DEFAULT 0,
    lost       BIGINT           NOT NULL DEFAULT 0,
    PRIMARY KEY (article_id, day, counter),
    -- What is older than the site keeps it goes.
    KEY by_day (day)
);

-- PV and UV that the rankings do not have yet: the snapshot adds, the job `trends` takes away, each in the transaction of its
-- own work. `minute` is the number of minutes since 1970.
CREATE TABLE IF NOT EXISTS viewed (
    minute     INT UNSIGNED NOT NULL,
    article_id BIGINT       NOT NULL,
    pv         BIGINT       NOT NULL,
    uv         BIGINT       NOT NULL,
    PRIMARY KEY (minute, article_id),
    KEY by_article (article_id)
);

-- The last read of each signed-in user.
CREATE TABLE IF NOT EXISTS user_read (
    user_id      BIGINT      NOT NULL,
    article_id   BIGINT      NOT NULL,
    last_read_at DATETIME(3) NOT NULL,
    version_ms   BIGINT      NOT NULL,
    version_seq  BIGINT      NOT NULL,
    PRIMARY KEY (user_id, article_id),
    -- For deleting rows that are older than the site keeps them.
    KEY by_time (last_read_at)
);

-- Changes of kinds whose truth is MySQL. The transaction that makes a change also writes its row here. Two readers work at
-- their own pace: one updates the projection in Redis, the other ships to Kafka. A row is deleted when both are done.
--
-- For one user and article, the ids are in the order of the changes, because each row is written under the lock of its row
-- in `interaction`.
CREATE TABLE IF NOT EXISTS outbox (
    id         BIGINT           NOT NULL AUTO_INCREMENT PRIMARY KEY,
    p          TINYINT UNSIGNED NOT NULL,
    kind       TINYINT UNSIGNED NOT NULL,
    user_id    BIGINT           NOT NULL,
    article_id BIGINT           NOT NULL,
    status     TINYINT          NOT NULL,
    -- The version of the change is this number and the id.
    version_ms BIGINT           NOT NULL,
    cause      VARCHAR(16)      NOT NULL,
    at_ms      BIGINT           NOT NULL,
    request_id VARCHAR(128)     NOT NULL,
    ip_hash    VARCHAR(64)      NOT NULL,
    -- The texts of ids that are names. They are here because the user may be erased before the row is shipped.
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

-- The projection of each partition: the token of the only process that may write it, and how many writes Redis has had, as far
-- as MySQL knows. A Redis that has had fewer has lost some. This is a table of its own, because consumers lock the rows of
-- partition_state for as long as a batch takes.
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

-- Erased users. `consume`, a replay and a rebuild skip what these users did before the erasure.
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
