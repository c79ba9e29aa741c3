// Command seed is the design that this service grew out of, as its article tells it: Gin, a key for each user and article,
// a script for status and count, events sent to Kafka asynchronously, and a consumer that writes one row an event. What the
// article leaves open (the token's check, names of topics) is done as cheaply as is usual.
package main

import (
	"fmt"
	"log"
	"os"
)

// LikeMessage is what goes through Kafka.
type LikeMessage struct {
	UserID    int64 `json:"user_id"`
	ArticleID int64 `json:"article_id"`
	Action    int   `json:"action"`
}

func main() {
	command := ""
	if len(os.Args) == 2 {
		command = os.Args[1]
	}
	var err error
	switch command {
	case "serve":
		err = serve()
	case "consume":
		err = consume()
	default:
		err = fmt.Errorf("usage: seed serve|consume, configured by SEED_… in the environment")
	}
	if err != nil {
		log.Fatal(err)
	}
}

// setting is a variable of the environment that has to be there.
func setting(name string) string {
	value, ok := os.LookupEnv(name)
	if !ok {
		log.Fatalf("%s is not set", name)
	}
	return value
}
