package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/go-redis/v9"
	"github.com/segmentio/kafka-go"
)

//go:embed like.lua
var likeLua string

type service struct {
	redis  *redis.Client
	script *redis.Script
	events *kafka.Writer
}

func serve() error {
	options, err := redis.ParseURL(setting("SEED_REDIS_URL"))
	if err != nil {
		return err
	}
	// A connection for each client of the bench: the default, 10 a core, would make them queue.
	options.PoolSize = 128
	s := service{
		redis:  redis.NewClient(options),
		script: redis.NewScript(likeLua),
		events: &kafka.Writer{
			Addr:         kafka.TCP(setting("SEED_KAFKA_BROKERS")),
			Topic:        setting("SEED_TOPIC"),
			Balancer:     &kafka.Hash{},
			RequiredAcks: kafka.RequireAll,
			Async:        true,
		},
	}
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery())
	identified := router.Group("/v1", identify(setting("SEED_JWT_KEY"), setting("SEED_JWT_ISSUER"), setting("SEED_JWT_AUDIENCE")))
	identified.GET("/articles/:id/interactions", s.one)
	identified.GET("/interactions", s.batch)
	signedIn := identified.Group("/articles", requireUser)
	signedIn.PUT("/:id/like", s.like(1))
	signedIn.DELETE("/:id/like", s.like(0))
	signedIn.POST("/:id/views", s.view)
	router.GET("/healthz", func(c *gin.Context) { c.Status(http.StatusOK) })
	return router.Run(setting("SEED_LISTEN"))
}

// identify is the middleware that the article's handlers take userID from: there is none without a token.
func identify(key, issuer, audience string) gin.HandlerFunc {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired())
	keyFunc := func(*jwt.Token) (any, error) { return []byte(key), nil }
	return func(c *gin.Context) {
		token := strings.TrimPrefix(c.GetHeader("Authorization"), "Bearer ")
		if token == "" {
			return
		}
		var claims jwt.RegisteredClaims
		if _, err := parser.ParseWithClaims(token, &claims, keyFunc); err != nil {
			c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"msg": "unauthorized"})
			return
		}
		user, err := strconv.ParseInt(claims.Subject, 10, 64)
		if err != nil {
			c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"msg": "unauthorized"})
			return
		}
		c.Set("userID", user)
	}
}

func requireUser(c *gin.Context) {
	if _, signedIn := c.Get("userID"); !signedIn {
		c.AbortWithStatusJSON(http.StatusUnauthorized, gin.H{"msg": "unauthorized"})
	}
}

func (s service) like(action int) gin.HandlerFunc {
	return func(c *gin.Context) {
		user := c.GetInt64("userID")
		article, err := strconv.ParseInt(c.Param("id"), 10, 64)
		if err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"msg": "bad id"})
			return
		}
		keys := []string{"article:like:" + c.Param("id"), fmt.Sprintf("user:like:%d:%d", user, article)}
		// By its digest; the article sends the text each time.
		if err := s.script.Run(c, s.redis, keys, action).Err(); err != nil {
			fail(c, err)
			return
		}
		if err := s.send(c, LikeMessage{UserID: user, ArticleID: article, Action: action}); err != nil {
			fail(c, err)
			return
		}
		c.JSON(http.StatusOK, gin.H{"msg": "ok"})
	}
}

func fail(c *gin.Context, err error) {
	log.Printf("%s: %v", c.FullPath(), err)
	c.JSON(http.StatusInternalServerError, gin.H{"msg": "fail"})
}

// send returns at once: the writer is asynchronous.
func (s service) send(c *gin.Context, message LikeMessage) error {
	value, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return s.events.WriteMessages(c, kafka.Message{Key: []byte(strconv.FormatInt(message.ArticleID, 10)), Value: value})
}
