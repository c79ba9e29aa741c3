-- Collects or uncollects: row, count and outbox entry together, or none.
--
-- Answers one row (refused, changed, collected, collects) from a SELECT after the COMMIT, so that an answer means that
-- the change is durable. `refused` is '', 'LATE' or 'BARRED'; `changed` is 1 if it did anything. All columns are BIGINT
-- or VARCHAR: Spin converts no DECIMAL and no DATETIME.
--
-- A deadline in this server's own time keeps a call that was stuck on its way, or waited for a lock, from taking effect
-- after a later one was acknowledged: it is checked again when all locks are held.
CREATE PROCEDURE collect (
    IN in_user BIGINT, IN in_article BIGINT, IN in_status TINYINT, IN in_deadline_ms BIGINT,
    IN in_request_id VARCHAR(128), IN in_ip_hash VARCHAR(64)
)
BEGIN
    DECLARE refused VARCHAR(8) DEFAULT '';
    DECLARE touched BIGINT DEFAULT 0;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    -- No caller waits longer than 2 s: a deadline further ahead was reckoned by a clock that has been set back since.
    -- NULL is no deadline, for tools.
    IF in_deadline_ms NOT BETWEEN CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)
                              AND CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) + 2500 THEN
        SET refused = 'LATE';
    ELSEIF EXISTS (SELECT 1 FROM user_bar WHERE user_id = in_user) THEN
        SET refused = 'BARRED';
    ELSE
        -- Without gap locks, favourites of one user for several articles do not wait for each other.
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        START TRANSACTION;
        IF in_status = 1 THEN
            -- IGNORE, since with it ROW_COUNT() is 0 for a row that is there, whatever flags the client connected with.
            INSERT IGNORE INTO user_collect (user_id, article_id, created_at)
                VALUES (in_user, in_article, UTC_TIMESTAMP(3));
        ELSE
            DELETE FROM user_collect WHERE user_id = in_user AND article_id = in_article;
        END IF;
        SET touched = ROW_COUNT();
        IF touched > 0 THEN
            INSERT INTO collect_outbox (user_id, article_id, status, at_ms, request_id, ip_hash)
                VALUES (in_user, in_article, in_status, CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED),
                        in_request_id, in_ip_hash);
            INSERT INTO article_stats (article_id, collect_count, updated_at)
                VALUES (in_article, 1, UTC_TIMESTAMP(3))
                ON DUPLICATE KEY UPDATE
                    collect_count = collect_count + IF(in_status = 1, 1, -1), updated_at = UTC_TIMESTAMP(3);
        END IF;
        IF CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED) > in_deadline_ms THEN
            SET refused = 'LATE', touched = 0;
            ROLLBACK;
        ELSE
            COMMIT;
        END IF;
    END IF;

    SELECT refused AS refused,
           CAST(touched > 0 AS SIGNED) AS changed,
           CAST(EXISTS (SELECT 1 FROM user_collect WHERE user_id = in_user AND article_id = in_article) AS SIGNED)
               AS collected,
           CAST(COALESCE((SELECT collect_count FROM article_stats WHERE article_id = in_article), 0) AS SIGNED)
               AS collects;
END;
