{{/* Which variables of spin.toml a component uses (make k8s-check compares). A component gets only those. */}}
{{- define "uses" -}}
{{- $all := "redis_address redis_url jwt_keys jwt_keys_url jwt_keys_address jwt_cache_key jwt_issuers jwt_audiences jwt_audience_claims jwt_user_claim cors_origins" -}}
{{- $clients := "ip_hash_key client_address_header trusted_proxy_hops outbox_max_length" -}}
{{ $all }}
{{- if eq . "toggle" }} {{ $clients }} mysql_address mysql_url toggle_user_limit toggle_address_limit
{{- else if eq . "read" }} {{ $clients }} visitor_key view_token_key visitor_mode cookie_secure cookie_same_site cookie_path cookie_partitioned view_visitor_limit view_address_limit read_address_limit
{{- else }} mysql_address mysql_url anonymous_cache_control
{{- end }}
{{- end }}

{{/* The variables of a component, as a list in YAML. Takes the root, the component, and what their names begin with.
Spin starts only if all variables are set that spin.toml requires, also those that the component does not use. */}}
{{- define "variables" -}}
{{- $root := index . 0 -}}
{{- $environment := index . 2 -}}
{{- $settings := include "settings" $root | fromYaml -}}
{{- $uses := splitList " " (include "uses" (index . 1)) -}}
{{- $secrets := list "redis_url" "mysql_url" "jwt_keys" "jwt_cache_key" "visitor_key" "view_token_key" "ip_hash_key" -}}
{{- $required := list "redis_address" "mysql_address" "redis_url" "mysql_url" "visitor_key" "view_token_key" "ip_hash_key" -}}
{{- range $name := keys $settings | sortAlpha }}
  {{- $known := concat (splitList " " (include "uses" "toggle")) (splitList " " (include "uses" "read")) (splitList " " (include "uses" "queries")) }}
  {{- if not (has $name $known) }}{{ fail (printf "components.settings: spin.toml has no variable %s" $name) }}{{ end }}
{{- end }}
{{- range $name := list "jwt_issuers" "jwt_audiences" }}
  {{- if not (index $settings $name) }}{{ fail (printf "set components.settings.%s" $name) }}{{ end }}
{{- end }}
{{- range $name := concat $required $uses | uniq | sortAlpha }}
{{- $shown := ternary (print "SPIN_VARIABLE_" (upper $name)) $name $environment }}
{{- if not (has $name $uses) }}
- {name: {{ $shown }}, value: unused}
{{- else if has $name $secrets }}
- name: {{ $shown }}
  valueFrom:
    secretKeyRef:
      name: {{ $root.Values.secrets.components }}
      key: {{ $name }}
      {{- /* One of jwt_keys and jwt_keys_url; jwt_cache_key goes with the latter. */}}
      {{- if hasPrefix "jwt_" $name }}
      optional: true
      {{- end }}
{{- else if hasKey $settings $name }}
- {name: {{ $shown }}, value: {{ index $settings $name | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Spin itself answers. */}}
{{- define "liveness" -}}
initialDelaySeconds: 5
periodSeconds: 10
timeoutSeconds: 5
failureThreshold: 3
{{- end }}

{{/* The component answers. It asks no store: a store that is down must not take all pods out of service. */}}
{{- define "readiness" -}}
{{- /* A new pod may run for a while before NetworkPolicies let it reach the stores, and the probe asks no store. */ -}}
initialDelaySeconds: 3
periodSeconds: 5
timeoutSeconds: 3
failureThreshold: 2
{{- end }}

{{/* The components that a pod runs. docs is in the pods of queries, because it has no store and next to no load. */}}
{{- define "runs" -}}
{{ ternary "queries,docs" . (eq . "queries") }}
{{- end }}
