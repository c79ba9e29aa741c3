-- The articles that gained most likes lately, best first, replaced whole every few seconds. `span` is hour or day
-- (`window` is a reserved word of MySQL 8).
CREATE TABLE top_liked (
    span       VARCHAR(8) NOT NULL,
    place      INT        NOT NULL,
    article_id BIGINT     NOT NULL,
    likes      BIGINT     NOT NULL,
    PRIMARY KEY (span, place)
);

-- What the ranking is made of and goes on from, written in the same transaction; one row. All that was in Kafka at
-- `as_of` is counted; NULL until the topic has been read to its end once.
CREATE TABLE trends (
    one   TINYINT     NOT NULL PRIMARY KEY DEFAULT 1,
    as_of DATETIME(3) NULL,
    state LONGBLOB    NOT NULL
);
