{{/* Names and labels. */}}

{{- define "dcr-sidecar.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "dcr-sidecar.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "dcr-sidecar.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "dcr-sidecar.name" .) | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "dcr-sidecar.selector" -}}
app.kubernetes.io/name: {{ include "dcr-sidecar.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dcr-sidecar.labels" -}}
{{ include "dcr-sidecar.selector" . }}
{{ include "dcr-sidecar.moreLabels" . }}
{{- end }}

{{/* For objects whose pods are not the selector's. */}}
{{- define "dcr-sidecar.moreLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dcr-sidecar.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "dcr-sidecar.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "dcr-sidecar.image" -}}
{{- $tag := default (printf "%s%s" .Chart.AppVersion (ternary "-embedded" "" .Values.store.embedded.enabled)) .Values.image.tag -}}
{{- with .Values.image.digest -}}
{{ $.Values.image.repository }}@{{ . }}
{{- else -}}
{{ .Values.image.repository }}:{{ $tag }}
{{- end -}}
{{- end }}

{{- define "dcr-sidecar.envoyImage" -}}
{{- with .Values.envoy.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}{{- else -}}{{ .repository }}:{{ .tag }}{{- end -}}
{{- end -}}
{{- end }}

{{/* The labels of the pods that hold Envoy and the sidecar. */}}
{{- define "dcr-sidecar.podSelector" -}}
{{- if eq .Values.shape "library" -}}
{{ toYaml .Values.library.podSelector }}
{{- else -}}
{{ include "dcr-sidecar.selector" . }}
{{- end -}}
{{- end }}

{{/* The hosts of the servers' resources, without ports, each once, as JSON. */}}
{{- define "dcr-sidecar.hosts" -}}
{{- $hosts := list -}}
{{- range .Values.config.servers -}}
{{- $hosts = append $hosts (regexReplaceAll "^https?://([^/:]+).*$" .resource "${1}") -}}
{{- end -}}
{{- $hosts | uniq | toJson -}}
{{- end }}
