{{/* The name of an object: the prefix and its own name. Takes a list of the root and the name. */}}
{{- define "name" -}}
{{- $root := index . 0 -}}
{{- $prefix := $root.Values.namePrefix -}}
{{- if kindIs "invalid" $prefix }}{{ $prefix = printf "%s-" $root.Release.Name }}{{ end -}}
{{- /* The longest name of a CronJob has 52 characters, and Kubernetes would refuse a longer one only after the migration. */}}
{{- if gt (len $prefix) 36 }}{{ fail (printf "names would begin with %q: at most 36 characters, so set namePrefix or a shorter release name" $prefix) }}{{ end -}}
{{ $prefix }}{{ index . 1 }}
{{- end }}

{{/* Where a part is: components, persister or gateway. */}}
{{- define "namespace" -}}
{{- $root := index . 0 -}}
{{ index $root.Values.namespaces (index . 1) | default $root.Release.Namespace }}
{{- end }}

{{/* The labels by which pods of this release are found. Takes the root, the name, and the persister's job. */}}
{{- define "selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- if gt (len .) 2 }}
app.kubernetes.io/component: {{ index . 2 }}
{{- end }}
{{- end }}

{{- define "labels" -}}
{{ include "selector" . }}
app.kubernetes.io/part-of: interaction
{{- end }}

{{/* Labels of what is neither a component nor the persister. */}}
{{- define "common" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: interaction
{{- end }}

{{/* Metadata: the root, the object's name, its part, and the arguments of "labels" after the root. */}}
{{- define "metadata" -}}
name: {{ include "name" (list (index . 0) (index . 1)) }}
namespace: {{ include "namespace" (list (index . 0) (index . 2)) }}
labels:
{{- if gt (len .) 3 }}
  {{- include "labels" (prepend (slice . 3) (index . 0)) | nindent 2 }}
{{- else }}
  {{- include "common" (index . 0) | nindent 2 }}
{{- end }}
{{- end }}

{{- define "pod.security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "container.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Spreads the pods of a selector over zones and nodes. Takes the arguments of "selector". */}}
{{- define "spread" -}}
{{- $selector := include "selector" . -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- $selector | nindent 6 }}
{{- end }}
{{- end }}

{{/* The port at the end of an address. */}}
{{- define "port" -}}
{{ regexFind ":[0-9]+$" . | trimPrefix ":" | required (printf "an address has no port: %q" .) }}
{{- end }}

{{/* The variables of spin.toml that are no secrets. */}}
{{- define "settings" -}}
{{- $settings := mustMergeOverwrite (dict "redis_address" .Values.redis.address "mysql_address" .Values.mysql.address) .Values.components.settings -}}
{{- range $name, $value := $settings }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* The persister's environment: what follows from the stores, and then whatever the values say. */}}
{{- define "environment" -}}
{{- $secrets := "/etc/interaction/secrets/" -}}
{{- $kafka := .Values.kafka -}}
{{- $all := dict "INTERACTION_LOG" "json" "INTERACTION_METRICS_ADDRESS" "0.0.0.0:9464"
    "INTERACTION_REDIS_URL_FILE" (print $secrets "redis-url") "INTERACTION_MYSQL_URL_FILE" (print $secrets "mysql-url")
    "INTERACTION_KAFKA_BROKERS" $kafka.brokers "INTERACTION_TOPIC_REPLICATION" ($kafka.topicReplication | toString)
    "INTERACTION_HANDLERS_DB_USER" .Values.mysql.componentsUser -}}
{{- if ne $kafka.security "plaintext" }}{{ $_ := set $all "INTERACTION_KAFKA_SECURITY" $kafka.security }}{{ end -}}
{{- if $kafka.clientCertificate }}
  {{- $_ := set $all "INTERACTION_KAFKA_SSL_CERTIFICATE_LOCATION" (print $secrets "kafka-client.crt") }}
  {{- $_ := set $all "INTERACTION_KAFKA_SSL_KEY_LOCATION" (print $secrets "kafka-client.key") }}
{{- end }}
{{- if hasPrefix "sasl_" $kafka.security }}
  {{- if ne $kafka.mechanism "SCRAM-SHA-512" }}{{ $_ := set $all "INTERACTION_KAFKA_SASL_MECHANISM" $kafka.mechanism }}{{ end }}
  {{- if eq $kafka.mechanism "OAUTHBEARER" }}
    {{- $_ := set $all "INTERACTION_KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL" (required "kafka.oauth.tokenEndpoint" $kafka.oauth.tokenEndpoint) }}
    {{- $_ := set $all "INTERACTION_KAFKA_SASL_OAUTHBEARER_CLIENT_ID" (required "kafka.oauth.clientId" $kafka.oauth.clientId) }}
    {{- $_ := set $all "INTERACTION_KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET_FILE" (print $secrets "kafka-client-secret") }}
    {{- with $kafka.oauth.scope }}{{ $_ := set $all "INTERACTION_KAFKA_SASL_OAUTHBEARER_SCOPE" . }}{{ end }}
  {{- else }}
    {{- $_ := set $all "INTERACTION_KAFKA_USERNAME" (required "kafka.username" $kafka.username) }}
    {{- $_ := set $all "INTERACTION_KAFKA_PASSWORD_FILE" (print $secrets "kafka-password") }}
  {{- end }}
{{- end }}
{{- if .Values.ca.secret }}{{ $_ := set $all "SSL_CERT_FILE" "/etc/interaction/ca/ca-certificates.crt" }}{{ end }}
{{- range $name, $value := mustMergeOverwrite $all .Values.persister.environment }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* The name of an object that belongs to no namespace: two releases in a cluster may have one name. */}}
{{- define "clusterName" -}}
{{ .Release.Namespace }}-{{ include "name" (list . "") | trimSuffix "-" | default .Release.Name }}
{{- end }}

{{- define "priority" -}}
{{ include "clusterName" . }}-persister
{{- end }}

{{/* The Gateway that the routes hang on: ours, or one that is there already. */}}
{{- define "gateway.name" -}}
{{ ternary (include "name" (list . "gateway")) .Values.gateway.shared.name (eq .Values.gateway.mode "own") }}
{{- end }}

{{- define "gateway.namespace" -}}
{{ ternary (include "namespace" (list . "gateway")) .Values.gateway.shared.namespace (eq .Values.gateway.mode "own") }}
{{- end }}

{{/* What a route hangs on. Takes the root and a listener of our own Gateway. */}}
{{- define "parent" -}}
{{- $root := index . 0 -}}
- name: {{ include "gateway.name" $root }}
  namespace: {{ include "gateway.namespace" $root }}
  {{- if eq $root.Values.gateway.mode "own" }}
  sectionName: {{ ternary "https" "http" (ne $root.Values.gateway.tls.secret "") }}
  {{- else if $root.Values.gateway.shared.sectionName }}
  sectionName: {{ $root.Values.gateway.shared.sectionName }}
  {{- end }}
{{- end }}
