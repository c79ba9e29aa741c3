package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
)

// Interactions are what the design keeps in Redis of an article. Its favourites are in MySQL, which a read here is spared.
type Interactions struct {
	ArticleID string `json:"article_id"`
	Likes     int64  `json:"likes"`
	PV        int64  `json:"pv"`
	UV        int64  `json:"uv"`
	Reads     int64  `json:"reads"`
	// Null for an anonymous caller.
	Liked *bool `json:"liked"`
}

// Of the keys that an article has in one MGET.
const countersEach = 3

// view counts a page view and its visitor, as the article tells it.
func (s service) view(c *gin.Context) {
	pipe := s.redis.Pipeline()
	pipe.Incr(c, "article:pv:"+c.Param("id"))
	pipe.PFAdd(c, "article:uv:"+c.Param("id"), c.GetInt64("userID"))
	if _, err := pipe.Exec(c); err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"msg": "ok"})
}

func (s service) one(c *gin.Context) {
	items, err := s.interactions(c, []string{c.Param("id")})
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, items[0])
}

func (s service) batch(c *gin.Context) {
	articles := strings.Split(c.Query("article_ids"), ",")
	if len(articles) > 100 {
		c.JSON(http.StatusBadRequest, gin.H{"msg": "too many ids"})
		return
	}
	items, err := s.interactions(c, articles)
	if err != nil {
		fail(c, err)
		return
	}
	c.JSON(http.StatusOK, gin.H{"items": items})
}

// interactions asks for all articles in one round trip: an MGET of the counters and the caller's likes, and a PFCOUNT each.
func (s service) interactions(c *gin.Context, articles []string) ([]Interactions, error) {
	user, signedIn := c.Get("userID")
	keys := make([]string, 0, (countersEach+1)*len(articles))
	for _, article := range articles {
		if _, err := strconv.ParseInt(article, 10, 64); err != nil {
			return nil, err
		}
		keys = append(keys, "article:like:"+article, "article:pv:"+article, "article:read:"+article)
	}
	if signedIn {
		for _, article := range articles {
			keys = append(keys, fmt.Sprintf("user:like:%d:%s", user, article))
		}
	}
	pipe := s.redis.Pipeline()
	found := pipe.MGet(c, keys...)
	visitors := make([]*redis.IntCmd, len(articles))
	for i, article := range articles {
		visitors[i] = pipe.PFCount(c, "article:uv:"+article)
	}
	if _, err := pipe.Exec(c); err != nil {
		return nil, err
	}
	values := found.Val()
	items := make([]Interactions, len(articles))
	for i, article := range articles {
		counters := values[countersEach*i:]
		items[i] = Interactions{
			ArticleID: article,
			Likes:     number(counters[0]),
			PV:        number(counters[1]),
			Reads:     number(counters[2]),
			UV:        visitors[i].Val(),
		}
		if signedIn {
			liked := number(values[countersEach*len(articles)+i]) == 1
			items[i].Liked = &liked
		}
	}
	return items, nil
}

// number is a value of MGET; 0 where there is no key.
func number(value any) int64 {
	text, _ := value.(string)
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}
