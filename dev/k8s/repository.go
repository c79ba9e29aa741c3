package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"sigs.k8s.io/yaml"
)

// What the rest of the repository says, which k8s/ must agree with.
type repository struct {
	spin spinManifest
	// The text of runtime-config.toml.
	runtimeConfig string
	// Variables that the persister reads, and its subcommands.
	environment map[string]bool
	commands    map[string]bool
	// Metrics that it exports, by name: Counter, Gauge or Histogram.
	metrics map[string]string
	// Topic and partitions, as the persister has them by itself, and the job of the group that consumes them.
	topic, consume string
	partitions     int64
	// The runbook's table of alerts: a row is the metrics and alerts that it names, and where it sends the reader.
	alerts []alertRow
	// Headings of the runbook, as links name them.
	anchors map[string]bool
	// The operations of docs/openapi.yaml, 42 in place of each parameter.
	operations []request
}

type spinManifest struct {
	Variables map[string]struct {
		Required bool    `toml:"required"`
		Default  *string `toml:"default"`
		Secret   bool    `toml:"secret"`
	} `toml:"variables"`
	Trigger struct {
		HTTP []struct {
			Route     string `toml:"route"`
			Component string `toml:"component"`
		} `toml:"http"`
	} `toml:"trigger"`
	Component map[string]struct {
		Hosts     []string          `toml:"allowed_outbound_hosts"`
		Variables map[string]string `toml:"variables"`
	} `toml:"component"`
}

type alertRow struct {
	text    string
	metrics []string
	anchor  string
	names   []string
}

func readRepository(root string) (*repository, error) {
	read := &repository{
		environment: map[string]bool{}, commands: map[string]bool{}, metrics: map[string]string{}, anchors: map[string]bool{},
	}
	text := func(path string) string {
		content, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			panic(err)
		}
		return string(content)
	}
	var err error
	func() {
		defer func() {
			if problem := recover(); problem != nil {
				err = fmt.Errorf("%v", problem)
			}
		}()
		read.runtimeConfig = text("runtime-config.toml")
		if problem := toml.Unmarshal([]byte(text("spin.toml")), &read.spin); problem != nil {
			panic(fmt.Errorf("spin.toml: %w", problem))
		}
		read.readPersister(rustIn(filepath.Join(root, "persister/src")))
		read.readOperations(text("docs/openapi.yaml"))
		read.readRunbook(text("docs/operations.md"))
	}()
	return read, err
}

// rustIn is the text of all Rust files of a folder, so that it does not matter which file says what.
func rustIn(dir string) string {
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".rs" {
			return err
		}
		content, err := os.ReadFile(path)
		all.Write(append(content, '\n'))
		return err
	})
	if err != nil {
		panic(err)
	}
	return all.String()
}

// readOperations takes each path and method of the description of the API.
func (r *repository) readOperations(text string) {
	var description struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := yaml.Unmarshal([]byte(text), &description); err != nil {
		panic(fmt.Errorf("docs/openapi.yaml: %w", err))
	}
	for path, item := range description.Paths {
		for _, method := range []string{"GET", "PUT", "POST", "DELETE"} {
			if item[strings.ToLower(method)] != nil {
				r.operations = append(r.operations, request{method, regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "42"), ""})
			}
		}
	}
	if len(r.operations) < 10 {
		panic("docs/openapi.yaml has no operations that this program can read: see repository.go")
	}
}

// readPersister finds what it needs in the Rust source by its form. If the form changes, it finds too little and says so.
func (r *repository) readPersister(source string) {
	for _, found := range regexp.MustCompile(`env = "(INTERACTION_\w+)"`).FindAllStringSubmatch(source, -1) {
		r.environment[found[1]] = true
	}
	for _, found := range regexp.MustCompile(`(?m)^  (INTERACTION_\w+) `).FindAllStringSubmatch(source, -1) {
		r.environment[found[1]] = true
		r.environment[found[1]+"_FILE"] = true
	}
	r.environment["RUST_LOG"] = true
	r.environment["SSL_CERT_FILE"] = true
	commands := between(source, "enum Command {", "\n}")
	for _, found := range regexp.MustCompile(`(?m)^    ([A-Z]\w+)(?:\(\w+\)|,| \{)`).FindAllStringSubmatch(commands, -1) {
		r.commands[strings.ToLower(found[1])] = true
	}
	for _, found := range regexp.MustCompile(`(?m)^    \w+: (Counter|Gauge|Histogram) = "(\w+)"`).FindAllStringSubmatch(source, -1) {
		r.metrics[found[2]] = found[1]
	}
	r.topic = first(`env = "INTERACTION_TOPIC", [^)]*default_value = "([^"]+)"`, source)
	fmt.Sscan(first(`env = "INTERACTION_TOPIC_PARTITIONS", default_value_t = (\d+)`, source), &r.partitions)
	r.consume = first(`const CONSUME: &str = "([^"]+)"`, source)
	if len(r.environment) < 10 || len(r.commands) < 8 || len(r.metrics) < 20 || r.topic == "" || r.consume == "" || r.partitions == 0 {
		panic("persister/src is not of the form that this program reads: see repository.go")
	}
}

// The consumer group of a job, as the persister names it after its topic.
func groupOf(topic, job string) string {
	return strings.TrimSuffix(topic, ".events") + "." + job
}

func (r *repository) readRunbook(text string) {
	for _, found := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(text, -1) {
		anchor := strings.ReplaceAll(strings.ToLower(found[1]), " ", "-")
		r.anchors[regexp.MustCompile(`[^a-z0-9-]`).ReplaceAllString(anchor, "")] = true
	}
	table := between(text, "| alert when |", "\n\n")
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		r.alerts = append(r.alerts, alertRow{
			text:    strings.TrimSpace(cells[1]),
			metrics: regexp.MustCompile(`interaction_[a-z_]+`).FindAllString(cells[1], -1),
			anchor:  first(`\(#([a-z-]+)\)`, cells[3]),
			names:   regexp.MustCompile(`Interaction\w+`).FindAllString(line, -1),
		})
	}
	if len(r.alerts) < 10 {
		panic("docs/operations.md has no table of alerts that this program can read: see repository.go")
	}
}

func between(text, from, to string) string {
	_, after, _ := strings.Cut(text, from)
	before, _, _ := strings.Cut(after, to)
	return before
}

func first(pattern, text string) string {
	if found := regexp.MustCompile(pattern).FindStringSubmatch(text); found != nil {
		return found[1]
	}
	return ""
}
