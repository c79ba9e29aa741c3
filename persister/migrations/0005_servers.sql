-- A cluster has several servers, and a relay a session with each, named after both: what it may hold of one partition's
-- entries is nothing to those who wait for another's. A server is named by its run id and its replication's.
ALTER TABLE relay_session
    MODIFY relay_id VARCHAR(255) NOT NULL,
    MODIFY run_id VARCHAR(96) NOT NULL,
    ADD COLUMN partitions_low BIGINT UNSIGNED NOT NULL DEFAULT 18446744073709551615 AFTER relay_id,
    ADD COLUMN partitions_high BIGINT UNSIGNED NOT NULL DEFAULT 18446744073709551615 AFTER partitions_low;
