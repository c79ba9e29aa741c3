// Stands in for traefik/whoami, as the overlay of dev runs it: it answers every request with a description of that request.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
)

func main() {
	port := flag.Int("port", 80, "where to listen")
	flag.Parse()
	http.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
		fmt.Fprintf(answer, "%s %s %s\nHost: %s\n", request.Method, request.URL, request.Proto, request.Host)
		_ = request.Header.Write(answer)
	})
	http.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	log.Fatal(http.ListenAndServe(fmt.Sprintf(":%d", *port), nil))
}
