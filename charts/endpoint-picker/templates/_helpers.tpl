{{/* Name of the picker's objects. */}}
{{- define "epp.name" -}}
{{ .Release.Name | lower | trunc 40 | trimSuffix "-" }}-epp
{{- end -}}

{{/* Name of the proxy's objects, in mode service. */}}
{{- define "epp.proxyName" -}}
{{ .Release.Name | lower | trunc 40 | trimSuffix "-" }}-proxy
{{- end -}}

{{/* Name of objects of the whole cluster. */}}
{{- define "epp.clusterName" -}}
{{ .Release.Namespace }}-{{ include "epp.name" . }}
{{- end -}}

{{/* Labels that pods are selected by. The reference's charts have the same, so that a release of theirs can be upgraded. */}}
{{- define "epp.selector" -}}
{{ ternary "llm-d-router-gateway" "llm-d-router-standalone" .Values.router.inferencePool.create }}: {{ include "epp.name" . }}
{{- end -}}

{{- define "epp.labels" -}}
app.kubernetes.io/name: {{ include "epp.name" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "epp.modeLabel" -}}
llm-d.ai/igw-mode: {{ ternary "llm-d-router-gateway" "llm-d-router-standalone" .Values.router.inferencePool.create }}
{{- end -}}

{{- define "epp.image" -}}
{{- with .Values.router.epp.image -}}
{{ if .registry }}{{ .registry }}/{{ end }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* "true" when one of several pickers is elected; else empty. */}}
{{- define "epp.elects" -}}
{{- $flags := .Values.router.epp.flags -}}
{{- if hasKey $flags "ha-enable-leader-election" -}}
{{- if eq (toString (index $flags "ha-enable-leader-election")) "true" }}true{{ end -}}
{{- else if gt (int .Values.router.epp.replicas) 1 -}}
true
{{- end -}}
{{- end -}}

{{/* "true" when the ext-proc port speaks TLS; else empty. */}}
{{- define "epp.isSecure" -}}
{{- if ne (toString (index .Values.router.epp.flags "secure-serving")) "false" }}true{{ end -}}
{{- end -}}

{{/* "true" when callers of the metrics port are asked who they are; else empty. */}}
{{- define "epp.metricsAuth" -}}
{{- $flag := toString (index .Values.router.epp.flags "metrics-endpoint-auth") -}}
{{- if and .Values.router.monitoring.prometheus.auth.enabled (ne $flag "false") }}true{{ end -}}
{{- end -}}

{{- define "epp.monitoringProvider" -}}
{{- $gateway := ternary "gmp" "prometheusoperator" (eq .Values.provider.name "gke") -}}
{{ .Values.router.monitoring.provider.name | default $gateway }}
{{- end -}}

{{/* "true" when requests are to go on without a picker; else empty. */}}
{{- define "epp.failsOpen" -}}
{{- $proxy := .Values.router.proxy -}}
{{- if kindIs "bool" $proxy.failOpen -}}
{{- if $proxy.failOpen }}true{{ end -}}
{{- else if eq $proxy.mode "service" -}}
true
{{- end -}}
{{- end -}}

{{/* Ports of the model servers, separated by commas. */}}
{{- define "epp.targetPorts" -}}
{{- $numbers := list -}}
{{- range .Values.router.modelServers.targetPorts }}{{ $numbers = append $numbers (toString .number) }}{{ end -}}
{{ join "," $numbers }}
{{- end -}}

{{/* The Envoy configuration. */}}
{{- define "epp.envoyConfig" -}}
{{- $failsOpen := include "epp.failsOpen" . -}}
{{- $isService := eq .Values.router.proxy.mode "service" -}}
{{- $servers := printf "%s-model-servers.%s.svc.%s" (include "epp.name" .) .Release.Namespace .Values.router.clusterDomain -}}
{{- $picker := dict
  "address" (ternary (printf "%s-pickers.%s.svc.%s" (include "epp.name" .) .Release.Namespace .Values.router.clusterDomain) "127.0.0.1" $isService)
  "clusterType" (ternary "STRICT_DNS" "STATIC" $isService)
  "port" .Values.router.epp.extProcPort
  "isSecure" (include "epp.isSecure" .)
  "servers" $servers
  "ports" .Values.router.modelServers.targetPorts -}}
{{- $file := ternary "files/envoy-fail-open.yaml.tpl" "files/envoy.yaml.tpl" (eq $failsOpen "true") -}}
{{- tpl (.Files.Get $file) (merge (dict "picker" $picker) .) -}}
{{- end -}}

{{/* The container of Envoy. */}}
{{- define "epp.envoyContainer" -}}
- name: envoy-proxy
  image: {{ .Values.router.proxy.image }}
  imagePullPolicy: IfNotPresent
  args: [--config-path, /etc/envoy/envoy.yaml, --log-level, warning]
  ports:
  - name: http
    containerPort: {{ .Values.router.proxy.port }}
  - name: envoy-ready
    containerPort: 19001
  readinessProbe:
    httpGet: {path: /ready, port: envoy-ready}
    periodSeconds: 5
  lifecycle:
    # The picker serves for as long after it is told to stop; Envoy must not stop before.
    preStop: {sleep: {seconds: 30}}
  resources:
    {{- toYaml .Values.router.proxy.resources | nindent 4 }}
  securityContext:
    {{- $own := dict "allowPrivilegeEscalation" false "readOnlyRootFilesystem" true "capabilities" (dict "drop" (list "ALL")) }}
    {{- toYaml (mergeOverwrite $own (deepCopy .Values.router.proxy.securityContext)) | nindent 4 }}
  volumeMounts:
  - name: envoy
    mountPath: /etc/envoy
    readOnly: true
{{- end -}}

{{/* A value as text; numbers without an exponent. */}}
{{- define "epp.scalar" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ toString . }}{{ end -}}
{{- end -}}
