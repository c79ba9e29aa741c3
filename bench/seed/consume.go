package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/segmentio/kafka-go"
)

const upsert = `INSERT INTO seed_like (user_id, article_id, status) VALUES (?, ?, ?)
ON DUPLICATE KEY UPDATE status = VALUES(status)`

// consume writes one row an event, each in a transaction of its own.
func consume() error {
	db, err := sql.Open("mysql", setting("SEED_MYSQL_DSN"))
	if err != nil {
		return err
	}
	// Prepared once: a round trip a row, the least that this design can do.
	write, err := db.Prepare(upsert)
	if err != nil {
		return err
	}
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers:     []string{setting("SEED_KAFKA_BROKERS")},
		Topic:       setting("SEED_TOPIC"),
		GroupID:     setting("SEED_GROUP"),
		StartOffset: kafka.FirstOffset,
		// In the background: a commit an event would halve its pace.
		CommitInterval: time.Second,
		MaxWait:        100 * time.Millisecond,
	})
	for {
		message, err := reader.ReadMessage(context.Background())
		if err != nil {
			return err
		}
		var like LikeMessage
		if err := json.Unmarshal(message.Value, &like); err != nil {
			return err
		}
		if _, err := write.Exec(like.UserID, like.ArticleID, like.Action); err != nil {
			return err
		}
	}
}
