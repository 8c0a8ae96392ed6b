{{/*
Containers and volumes. A chart of yours includes, with shape library and `(index .Subcharts "dcr-sidecar")` as context:
dcr-sidecar.podAnnotations, .initContainers, .containers, .volumes, .podSecurityContext.
*/}}

{{/* Rolls the pods when the configuration changes; what is in Secrets of yours is not known here. */}}
{{- define "dcr-sidecar.podAnnotations" -}}
checksum/config: {{ include "dcr-sidecar.config" . | sha256sum }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dcr-sidecar.podSecurityContext" -}}
{{ toYaml .Values.podSecurityContext }}
{{- end }}

{{- define "dcr-sidecar.initContainers" -}}
{{- if include "dcr-sidecar.hasEnvoy" . }}
{{ include "dcr-sidecar.envoyConfigContainer" . }}
{{- end }}
{{- if .Values.trial }}
{{ include "dcr-sidecar.trialKeysContainer" . }}
{{- end }}
{{- if and .Values.nativeSidecars (include "dcr-sidecar.hasEnvoy" .) }}
{{ include "dcr-sidecar.sidecarContainer" (dict "root" . "native" true) }}
{{- if ne .Values.shape "gateway" }}
{{ include "dcr-sidecar.envoyContainer" (dict "root" . "native" true) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dcr-sidecar.containers" -}}
{{- $native := and .Values.nativeSidecars (include "dcr-sidecar.hasEnvoy" .) }}
{{- if eq .Values.shape "sidecar" }}
{{ include "dcr-sidecar.mcpContainer" . }}
{{- end }}
{{- if not $native }}
{{ include "dcr-sidecar.sidecarContainer" (dict "root" . "native" false) }}
{{- end }}
{{- if and (include "dcr-sidecar.hasEnvoy" .) (or (not $native) (eq .Values.shape "gateway")) }}
{{ include "dcr-sidecar.envoyContainer" (dict "root" . "native" false) }}
{{- end }}
{{- end }}

{{/* A pause before SIGTERM. Endpoints forget the pod meanwhile. */}}
{{- define "dcr-sidecar.pause" -}}
{{- if .root.Values.drain.sleepAction -}}
sleep:
  seconds: {{ .seconds }}
{{- else -}}
exec:
  command: [sleep, {{ .seconds | toString | quote }}]
{{- end -}}
{{- end }}

{{- define "dcr-sidecar.envoyConfigContainer" -}}
- name: envoy-config
  image: {{ include "dcr-sidecar.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [envoy-config, --output, /etc/envoy/envoy.yaml]
  {{- include "dcr-sidecar.environment" . | nindent 2 }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: dcr-config, mountPath: /etc/dcr-sidecar/sidecar.yaml, subPath: sidecar.yaml, readOnly: true}
    - {name: dcr-envoy, mountPath: /etc/envoy}
{{- end }}

{{- define "dcr-sidecar.trialKeysContainer" -}}
- name: trial-keys
  image: {{ include "dcr-sidecar.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [sh, -c, "test -e /var/lib/dcr-sidecar/keys.json || exec dcr-sidecar keys generate /var/lib/dcr-sidecar/keys.json"]
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: dcr-data, mountPath: /var/lib/dcr-sidecar}
{{- end }}

{{- define "dcr-sidecar.environment" -}}
{{- $own := list -}}
{{- if not (include "dcr-sidecar.hasEnvoy" .) -}}
{{- $format := ternary "[$(POD_IP)]:%d" "$(POD_IP):%d" (eq .Values.ipFamily "ipv6") -}}
{{- $own = append $own (dict "name" "POD_IP" "valueFrom" (dict "fieldRef" (dict "fieldPath" "status.podIP"))) -}}
{{- $own = append $own (dict "name" "DCR_SIDECAR_LISTENERS__OAUTH" "value" (printf $format 9400)) -}}
{{- $own = append $own (dict "name" "DCR_SIDECAR_LISTENERS__CHECK" "value" (printf $format 9401)) -}}
{{- end -}}
{{- with concat $own .Values.env -}}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "dcr-sidecar.sidecarContainer" -}}
{{- $root := .root -}}
{{- with $root -}}
- name: dcr-sidecar
  image: {{ include "dcr-sidecar.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args: [serve, --drain-seconds, {{ .Values.drain.closingSeconds | toString | quote }}]
  {{- if $.native }}
  restartPolicy: Always
  {{- end }}
  {{- include "dcr-sidecar.environment" . | nindent 2 }}
  ports:
    - {name: ops, containerPort: 9403}
    {{- if not (include "dcr-sidecar.hasEnvoy" .) }}
    - {name: oauth, containerPort: 9400}
    - {name: check, containerPort: 9401}
    {{- end }}
  startupProbe:
    httpGet: {path: /livez, port: ops}
    periodSeconds: 1
    failureThreshold: 60
  livenessProbe:
    httpGet: {path: /livez, port: ops}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 3
  readinessProbe:
    httpGet: {path: /readyz, port: ops}
    periodSeconds: 5
    timeoutSeconds: 3
    failureThreshold: 2
  lifecycle:
    preStop:
      {{- if include "dcr-sidecar.hasEnvoy" . }}
      # Envoy ends its connections politely; this outlasts Envoy, which asks the check to the last.
      exec:
        command: [dcr-sidecar, drain, --seconds, {{ add .Values.drain.seconds 5 | toString | quote }}]
      {{- else }}
      {{- include "dcr-sidecar.pause" (dict "root" . "seconds" .Values.drain.seconds) | nindent 6 }}
      {{- end }}
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    {{- include "dcr-sidecar.secretMounts" . | nindent 4 }}
    {{- if include "dcr-sidecar.hasEnvoy" . }}
    - {name: dcr-run, mountPath: /run/dcr-sidecar}
    {{- end }}
    {{- if or .Values.trial .Values.store.embedded.enabled }}
    - {name: dcr-data, mountPath: /var/lib/dcr-sidecar}
    {{- end }}
    {{- with .Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{/* The configuration and every secret it names. */}}
{{- define "dcr-sidecar.secretMounts" -}}
- {name: dcr-config, mountPath: /etc/dcr-sidecar/sidecar.yaml, subPath: sidecar.yaml, readOnly: true}
{{- range $name := include "dcr-sidecar.secrets" . | fromJson | keys | sortAlpha }}
- {name: dcr-{{ $name }}, mountPath: /etc/dcr-sidecar/{{ $name }}, readOnly: true}
{{- end }}
{{- end }}

{{/* Directory below /etc/dcr-sidecar -> the Secret in it, and which of its keys under which name, as JSON. */}}
{{- define "dcr-sidecar.secrets" -}}
{{- $v := .Values -}}
{{- $found := dict -}}
{{- with $v.keys.existingSecret -}}
{{- $_ := set $found "keys" (dict "secret" . "key" $v.keys.existingSecretKey "file" "keys.json") -}}
{{- end -}}
{{- with $v.secretFiles -}}
{{- $_ := set $found "secrets" (dict "secret" .) -}}
{{- end -}}
{{- with $v.store.existingSecret -}}
{{- $_ := set $found "store" (dict "secret" . "key" $v.store.existingSecretKey "file" "url") -}}
{{- end -}}
{{- with $v.store.caSecret -}}
{{- $_ := set $found "store-ca" (dict "secret" . "key" $v.store.caSecretKey "file" $v.store.caSecretKey) -}}
{{- end -}}
{{- with $v.store.clientCertSecret -}}
{{- $_ := set $found "store-tls" (dict "secret" .) -}}
{{- end -}}
{{- with $v.admin.existingSecret -}}
{{- $_ := set $found "admin" (dict "secret" . "key" $v.admin.existingSecretKey "file" "token") -}}
{{- end -}}
{{- if eq $v.shape "extauthz" -}}
{{- $_ := set $found "check" (dict "secret" $v.extauthz.check.existingSecret "key" $v.extauthz.check.existingSecretKey "file" "secret") -}}
{{- end -}}
{{- $found | toJson -}}
{{- end }}

{{- define "dcr-sidecar.envoyContainer" -}}
{{- $root := .root -}}
{{- with $root -}}
- name: envoy
  image: {{ include "dcr-sidecar.envoyImage" . }}
  imagePullPolicy: {{ .Values.envoy.image.pullPolicy }}
  command: [envoy]
  args:
    - --config-path
    - /etc/envoy/envoy.yaml
    - --disable-hot-restart
    - --concurrency
    - {{ .Values.envoy.concurrency | toString | quote }}
    - --log-level
    - {{ .Values.envoy.logLevel }}
    - --drain-time-s
    - {{ .Values.drain.seconds | toString | quote }}
    - --drain-strategy
    - immediate
    {{- with .Values.envoy.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if $.native }}
  restartPolicy: Always
  {{- end }}
  ports:
    - {name: http, containerPort: {{ .Values.envoy.port }}}
  startupProbe:
    tcpSocket: {port: http}
    periodSeconds: 1
    failureThreshold: 60
  livenessProbe:
    tcpSocket: {port: http}
    periodSeconds: 10
  readinessProbe:
    tcpSocket: {port: http}
    periodSeconds: 5
  lifecycle:
    preStop:
      {{- include "dcr-sidecar.pause" (dict "root" . "seconds" .Values.drain.seconds) | nindent 6 }}
  resources:
    {{- toYaml .Values.envoy.resources | nindent 4 }}
  securityContext:
    {{- toYaml .Values.securityContext | nindent 4 }}
  volumeMounts:
    - {name: dcr-envoy, mountPath: /etc/envoy, readOnly: true}
    - {name: dcr-run, mountPath: /run/dcr-sidecar}
    {{- if .Values.envoy.tlsSecret }}
    - {name: dcr-tls, mountPath: /etc/dcr-sidecar/tls, readOnly: true}
    {{- end }}
{{- end }}
{{- end }}

{{- define "dcr-sidecar.mcpContainer" -}}
{{- $mcp := .Values.mcp -}}
- name: mcp
  image: {{ $mcp.image }}
  imagePullPolicy: {{ $mcp.pullPolicy }}
  {{- range $key := list "command" "args" "env" "envFrom" "resources" "securityContext" "startupProbe" "readinessProbe" "livenessProbe" "volumeMounts" }}
  {{- with index $mcp $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  lifecycle:
    {{- if $mcp.lifecycle }}
    {{- toYaml $mcp.lifecycle | nindent 4 }}
    {{- else }}
    preStop:
      {{- include "dcr-sidecar.pause" (dict "root" . "seconds" (add .Values.drain.seconds 2)) | nindent 6 }}
    {{- end }}
{{- end }}

{{- define "dcr-sidecar.volumes" -}}
- name: dcr-config
  configMap:
    name: {{ include "dcr-sidecar.fullname" . }}
{{ include "dcr-sidecar.secretVolumes" . }}
{{- if include "dcr-sidecar.hasEnvoy" . }}
- name: dcr-envoy
  emptyDir: {sizeLimit: 16Mi}
- name: dcr-run
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- with .Values.envoy.tlsSecret }}
- name: dcr-tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- if .Values.store.embedded.enabled }}
- name: dcr-data
  persistentVolumeClaim:
    claimName: {{ default (include "dcr-sidecar.fullname" .) .Values.store.embedded.existingClaim }}
{{- else if .Values.trial }}
- name: dcr-data
  emptyDir: {sizeLimit: 16Mi}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dcr-sidecar.secretVolumes" -}}
{{- $secrets := include "dcr-sidecar.secrets" . | fromJson -}}
{{- range $name := $secrets | keys | sortAlpha }}
{{- $of := index $secrets $name }}
- name: dcr-{{ $name }}
  secret:
    secretName: {{ $of.secret }}
    defaultMode: 0440
    {{- with $of.key }}
    items: [{key: {{ . }}, path: {{ $of.file }}}]
    {{- end }}
{{- end }}
{{- end }}
