-- Which records of the dead-letter queue have been put back on the event topic, so that none is put back twice. Rows of
-- records that Kafka has since dropped go with the next replay.
CREATE TABLE dlq_replayed (
    topic       VARCHAR(249) NOT NULL,
    p           INT          NOT NULL,
    record      BIGINT       NOT NULL,
    replayed_at DATETIME(3)  NOT NULL,
    PRIMARY KEY (topic, p, record)
);

-- Why, as in the events: the collect procedure's are the user's own.
ALTER TABLE collect_outbox ADD COLUMN cause VARCHAR(16) NOT NULL DEFAULT 'user';
