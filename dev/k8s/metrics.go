package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// Metrics of others that rules and dashboard use, and whose they are: the persister's are read from its source.
var foreignMetrics = map[string]string{
	"envoy_cluster_upstream_rq":                            "Envoy",
	"envoy_cluster_upstream_rq_time_bucket":                "Envoy",
	"envoy_cluster_upstream_rq_time_count":                 "Envoy",
	"envoy_http_local_rate_limit_rate_limited":             "Envoy",
	"envoy_cluster_ratelimit_over_limit":                   "Envoy",
	"envoy_cluster_membership_healthy":                     "Envoy",
	"kube_job_failed":                                      "kube-state-metrics",
	"kube_deployment_status_replicas_ready":                "kube-state-metrics",
	"kube_horizontalpodautoscaler_status_desired_replicas": "kube-state-metrics",
}

type query struct{ where, expression string }

// checkMetrics: rules and dashboard use metrics that exist, and the rules are the runbook's table.
func checkMetrics(w *world) []string {
	var findings []string
	var queries []query
	var rules []object
	for _, one := range w.objects.ofKind("PrometheusRule") {
		for _, group := range one.list("spec", "groups") {
			for _, rule := range group.list("rules") {
				rules = append(rules, rule)
				queries = append(queries, query{one.String() + " " + rule.text("alert"), rule.text("expr")})
			}
		}
	}
	var panels []query
	for _, one := range w.objects.ofKind("ConfigMap") {
		if one.textMap("metadata", "labels")["grafana_dashboard"] != "" {
			found, err := dashboardQueries(one.text("data", "dashboard.json"))
			if err != nil {
				findings = append(findings, refuse(one, "%v", err))
			}
			panels = append(panels, found...)
		}
	}
	for _, one := range append(queries, panels...) {
		for _, metric := range metricsOf(one.expression) {
			if err := w.exported(metric); err != nil {
				findings = append(findings, refuse(one.where, "%v", err))
			}
		}
		// A metric's own label of this name is stored under another.
		if label := first(`[({,]\s*(job|instance)\s*[),=!]`, one.expression); label != "" {
			findings = append(findings, refuse(one.where, "asks for %s, by which Prometheus names what it scrapes", label))
		}
		// Prometheus 3 writes the bounds of buckets with a point, Prometheus 2 as they come.
		if bound := first(`\ble="(\d+)"`, one.expression); bound != "" {
			findings = append(findings, refuse(one.where, "Prometheus 3 has no bucket le=%q, but %s.0", bound, bound))
		}
		// A route's name is whole, so that no route of another release counts.
		if routes := first(`envoy_cluster_name=~"([^"]*)"`, one.expression); routes != "" && !strings.HasSuffix(routes, "(toggle|read|queries)/.*") {
			findings = append(findings, refuse(one.where, "counts other routes than ours: %s", routes))
		}
	}
	findings = append(findings, w.checkRows(rules)...)
	length, _ := strconv.ParseInt(w.setting("outbox_max_length"), 10, 64)
	for _, rule := range rules {
		if limit := first(`interaction_outbox_longest_entries\) > (\d+)`, rule.text("expr")); limit != "" && limit != fmt.Sprint(length/2) {
			findings = append(findings, refuse(rule.text("alert"), "%s is not half of outbox_max_length, %d", limit, length))
		}
	}
	used := metricsIn(append(queries, panels...))
	for metric := range w.repository.metrics {
		if !slices.Contains(used, metric) {
			findings = append(findings, refuse("dashboard", "%s of the persister is in no panel and no rule", metric))
		}
	}
	return findings
}

// checkRows: every row of the runbook's table has an alert with its metrics, and every alert is of a row.
func (w *world) checkRows(rules []object) []string {
	var findings []string
	for _, row := range w.repository.alerts {
		var expressions []string
		for _, rule := range rules {
			if _, anchor, _ := strings.Cut(rule.text("annotations", "runbook_url"), "#"); anchor == row.anchor {
				expressions = append(expressions, rule.text("expr"))
			}
		}
		if len(expressions) == 0 {
			findings = append(findings, refuse("docs/operations.md", "no alert for the row %q", row.text))
		}
		for _, metric := range row.metrics {
			if !slices.Contains(metricsOf(strings.Join(expressions, " ")), metric) {
				findings = append(findings, refuse("docs/operations.md", "no alert that leads to #%s has %s", row.anchor, metric))
			}
		}
	}
	for _, rule := range rules {
		page, anchor, _ := strings.Cut(rule.text("annotations", "runbook_url"), "#")
		if page == "" {
			findings = append(findings, refuse(rule.text("alert"), "has no runbook_url"))
		} else if !w.repository.anchors[anchor] {
			findings = append(findings, refuse(rule.text("alert"), "the runbook has no heading %s", anchor))
		}
		named := slices.ContainsFunc(w.repository.alerts, func(row alertRow) bool {
			return row.anchor == anchor && slices.Contains(row.names, rule.text("alert"))
		})
		if !named {
			findings = append(findings, refuse(rule.text("alert"), "no row of the runbook that leads to #%s names it", anchor))
		}
	}
	return findings
}

// exported says why a metric has no data, if so. A histogram has no series of its own name.
func (w *world) exported(metric string) error {
	if foreignMetrics[metric] != "" {
		return nil
	}
	kind := w.repository.metrics[metric]
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, is := strings.CutSuffix(metric, suffix); is && w.repository.metrics[base] == "Histogram" {
			return nil
		}
	}
	if kind == "" {
		return fmt.Errorf("nobody exports %s", metric)
	}
	if kind == "Histogram" {
		return fmt.Errorf("%s is a histogram: its series are %s_bucket, _sum and _count", metric, metric)
	}
	return nil
}

// metricsOf are the words of an expression that are names of metrics: ours, Envoy's and kube-state-metrics' begin so.
func metricsOf(expression string) []string {
	// What is in quotes is a value of a label.
	plain := regexp.MustCompile(`"[^"]*"`).ReplaceAllString(expression, "")
	return regexp.MustCompile(`\b(?:interaction|envoy|kube)_[a-z_]+`).FindAllString(regexp.MustCompile(`envoy_(cluster_name|response_code)`).ReplaceAllString(plain, ""), -1)
}

func metricsIn(queries []query) []string {
	var all []string
	for _, one := range queries {
		for _, metric := range metricsOf(one.expression) {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				all = append(all, strings.TrimSuffix(metric, suffix))
			}
			all = append(all, metric)
		}
	}
	return all
}

// dashboardQueries are those of every panel. Grafana refuses a long uid.
func dashboardQueries(text string) ([]query, error) {
	var dashboard struct {
		UID    string
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
		return nil, err
	}
	if length := len(dashboard.UID); length == 0 || length > 40 {
		return nil, fmt.Errorf("a uid of %d characters", length)
	}
	var all []query
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			all = append(all, query{"dashboard, " + panel.Title, target.Expr})
		}
	}
	return all, nil
}

// printRules prints what Prometheus itself reads: the operator's `spec` is that.
func printRules(root string, values ...string) error {
	all, err := render(root, overlays[0])
	if len(values) > 0 {
		all, err = template(root, "blog", values[0])
	}
	if err != nil {
		return err
	}
	for _, one := range all.ofKind("PrometheusRule") {
		text, err := yaml.Marshal(one.at("spec"))
		if err != nil {
			return err
		}
		fmt.Print(string(text))
	}
	return nil
}

func setOf(one object) labels.Set { return one.textMap("metadata", "labels") }
