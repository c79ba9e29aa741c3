-- Switches a kind whose truth is MySQL on or off. Row, count and outbox row change together or not at all.
--
-- Returns one row (refused, changed, is_on, count) from a SELECT after the COMMIT, so an answer means that the change is durable.
-- `refused` is '', 'LATE', 'BARRED', or 'COLLISION' if another name has the number of one of the two ids. `changed` is 1 if
-- anything changed. All columns are BIGINT or VARCHAR, because Spin converts no DECIMAL and no DATETIME.
--
-- in_deadline_ms   by this server's clock. A call that was delayed, or waited for a lock, must not take effect after a later call
--                  was acknowledged. It is checked again when all locks are held. NULL, for tools, means no deadline.
-- in_user_name, in_article_name   the ids' texts if they are names, else NULL.
-- in_cause         'user'; 'revoke', which no bar stops; 'reconcile', which changes nothing, but writes the row's state into the
--                  outbox once more, whatever in_status is, so that the projection follows; or 'import', which only creates
--                  a row that did not exist, and no event.
-- in_version_ms, in_version_seq   change the row only if it has exactly this version. NULL means any version. For an import,
--                  in_version_ms is the time of the change.
CREATE PROCEDURE IF NOT EXISTS toggle (
    IN in_kind TINYINT UNSIGNED, IN in_p TINYINT UNSIGNED, IN in_user BIGINT, IN in_article BIGINT, IN in_status TINYINT,
    IN in_deadline_ms BIGINT, IN in_cause VARCHAR(16), IN in_version_ms BIGINT, IN in_version_seq BIGINT,
    IN in_request_id VARCHAR(128), IN in_ip_hash VARCHAR(64),
    IN in_user_name VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN in_article_name VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin
)
BEGIN
    DECLARE refused VARCHAR(9) DEFAULT '';
    DECLARE touched BIGINT DEFAULT 0;
    DECLARE old_status TINYINT DEFAULT NULL;
    DECLARE old_ms, old_seq, now_ms BIGINT DEFAULT 0;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    -- No caller waits longer than 2 s. A later deadline was computed from a clock that has been set back since.
    IF in_deadline_ms NOT BETWEEN CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)
                              AND CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) + 2500 THEN
        SET refused = 'LATE';
    ELSEIF in_cause = 'user' AND EXISTS (SELECT 1 FROM user_bar WHERE user_id = in_user) THEN
        SET refused = 'BARRED';
    ELSE
        -- Without gap locks, changes of one user for several articles do not wait for each other.
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        START TRANSACTION;
        -- Names are needed where a row may be created. Most exist already, and then no INSERT may lock a hot article's name.
        IF in_article_name IS NOT NULL AND (in_status = 1 OR in_cause = 'reconcile')
            AND NOT EXISTS (SELECT 1 FROM name WHERE kind = 'article' AND number = in_article AND text = in_article_name)
        THEN
            INSERT INTO name (kind, number, text) VALUES ('article', in_article, in_article_name)
                ON DUPLICATE KEY UPDATE text = text;
        END IF;
        IF in_user_name IS NOT NULL AND (in_status = 1 OR in_cause = 'reconcile')
            AND NOT EXISTS (SELECT 1 FROM name WHERE kind = 'user' AND number = in_user AND text = in_user_name)
        THEN
            INSERT INTO name (kind, number, text) VALUES ('user', in_user, in_user_name)
                ON DUPLICATE KEY UPDATE text = text;
        END IF;
        -- Create the row if it does not exist, so that it can be locked. Switching off what was never on needs no row.
        IF in_status = 1 OR in_cause = 'reconcile' THEN
            INSERT INTO interaction (article_id, kind, user_id, p, status, version_ms, version_seq, updated_at)
                VALUES (in_article, in_kind, in_user, in_p, 0, 0, 0, UTC_TIMESTAMP(3))
                ON DUPLICATE KEY UPDATE status = status;
        END IF;
        -- MAX always returns a row. A SELECT INTO that finds none causes a warning, which some clients treat as an error.
        SELECT MAX(status), COALESCE(MAX(version_ms), 0), COALESCE(MAX(version_seq), 0)
            INTO old_status, old_ms, old_seq
            FROM interaction WHERE article_id = in_article AND kind = in_kind AND user_id = in_user FOR UPDATE;
        IF in_cause = 'reconcile' THEN
            SET in_status = old_status;
        END IF;
        SET touched = old_status IS NOT NULL
            AND (in_cause = 'reconcile' OR old_status <> in_status)
            AND IF(in_cause = 'import', old_ms = 0 AND old_seq = 0,
                   in_version_ms IS NULL OR (old_ms = in_version_ms AND old_seq = in_version_seq));
        IF touched THEN
            SET now_ms = IF(in_cause = 'import', in_version_ms, CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED));
            -- Versions grow even if the clock was set back.
            INSERT INTO outbox (p, kind, user_id, article_id, status, version_ms, cause, at_ms, request_id, ip_hash,
                                user_name, article_name, shipped)
                VALUES (in_p, in_kind, in_user, in_article, in_status, GREATEST(now_ms, old_ms), in_cause, now_ms,
                        in_request_id, in_ip_hash, in_user_name, in_article_name, in_cause = 'import');
            IF in_cause <> 'reconcile' THEN
                UPDATE interaction
                    SET status = in_status, version_ms = GREATEST(now_ms, old_ms), version_seq = LAST_INSERT_ID(),
                        updated_at = IF(in_cause = 'import',
                                        CAST('1970-01-01' AS DATETIME(3)) + INTERVAL in_version_ms * 1000 MICROSECOND,
                                        UTC_TIMESTAMP(3))
                    WHERE article_id = in_article AND kind = in_kind AND user_id = in_user;
                INSERT INTO interaction_count (article_id, kind, count) VALUES (in_article, in_kind, 1)
                    ON DUPLICATE KEY UPDATE count = count + IF(in_status = 1, 1, -1);
            END IF;
        END IF;
        IF CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED) > in_deadline_ms THEN
            SET refused = 'LATE', touched = 0;
            ROLLBACK;
        ELSEIF (in_user_name IS NOT NULL
                AND EXISTS (SELECT 1 FROM name WHERE kind = 'user' AND number = in_user AND text <> in_user_name))
            OR (in_article_name IS NOT NULL
                AND EXISTS (SELECT 1 FROM name WHERE kind = 'article' AND number = in_article AND text <> in_article_name))
        THEN
            SET refused = 'COLLISION', touched = 0;
            ROLLBACK;
        ELSE
            COMMIT;
        END IF;
    END IF;

    SELECT refused AS refused,
           CAST(touched AS SIGNED) AS changed,
           CAST(EXISTS (SELECT 1 FROM interaction
                        WHERE article_id = in_article AND kind = in_kind AND user_id = in_user AND status = 1) AS SIGNED)
               AS is_on,
           CAST(COALESCE((SELECT count FROM interaction_count WHERE article_id = in_article AND kind = in_kind), 0)
               AS SIGNED) AS count;
END;
