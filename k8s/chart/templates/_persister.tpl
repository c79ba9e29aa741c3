{{/* The spec of a pod of the persister. Takes root, args, resources, and where they differ secret, priority, serves, restart. */}}
{{- define "persister.pod" -}}
{{- $root := .root -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .restart }}
restartPolicy: {{ . }}
{{- end }}
{{- if .serves }}
# It ends within 10 s of SIGTERM, even if a store hangs.
terminationGracePeriodSeconds: 15
{{- end }}
{{- if ne .priority "default" }}
priorityClassName: {{ include "priority" $root }}
{{- end }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.scheduling }}
{{ toYaml . }}
{{- end }}
securityContext:
  {{- include "pod.security" . | nindent 2 }}
containers:
  - name: persister
    image: {{ $root.Values.persister.image }}
    args: {{ toJson .args }}
    env:
      {{- range $name, $value := include "environment" $root | fromYaml }}
      - {name: {{ $name }}, value: {{ $value | quote }}}
      {{- end }}
    {{- if .serves }}
    ports:
      - name: metrics
        containerPort: 9464
    # A process ends when its job fails for good, so a process that answers does its work.
    livenessProbe:
      httpGet:
        path: /health
        port: metrics
      periodSeconds: 10
      timeoutSeconds: 3
      failureThreshold: 3
    readinessProbe:
      httpGet:
        path: /health
        port: metrics
      periodSeconds: 5
      timeoutSeconds: 3
    {{- end }}
    resources:
      {{- toYaml .resources | nindent 6 }}
    securityContext:
      {{- include "container.security" . | nindent 6 }}
    volumeMounts:
      - name: secrets
        mountPath: /etc/interaction/secrets
        readOnly: true
      {{- if $root.Values.ca.secret }}
      - name: ca
        mountPath: /etc/interaction/ca
        readOnly: true
      {{- end }}
volumes:
  - name: secrets
    secret:
      secretName: {{ .secret | default $root.Values.secrets.persister }}
      defaultMode: 0440
  {{- with $root.Values.ca.secret }}
  - name: ca
    secret:
      secretName: {{ . }}
      items: [{key: ca-certificates.crt, path: ca-certificates.crt}]
  {{- end }}
{{- end }}
