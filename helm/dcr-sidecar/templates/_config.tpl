{{/* The sidecar's configuration: what is in `config`, and over it what follows from the other values. */}}

{{- define "dcr-sidecar.hasEnvoy" -}}
{{- if ne .Values.shape "extauthz" -}}true{{- end -}}
{{- end }}

{{- define "dcr-sidecar.everyAddress" -}}
{{- ternary "[::]" "0.0.0.0" (eq .Values.ipFamily "ipv6") -}}
{{- end }}

{{- define "dcr-sidecar.maxReplicas" -}}
{{- ternary (int .Values.autoscaling.maxReplicas) (int .Values.replicas) .Values.autoscaling.enabled -}}
{{- end }}

{{- define "dcr-sidecar.storeUrl" -}}
{{- $options := list -}}
{{- if .Values.store.caSecret -}}
{{- $options = append $options (printf "ssl_ca_certs=/etc/dcr-sidecar/store-ca/%s" .Values.store.caSecretKey) -}}
{{- end -}}
{{- if .Values.store.clientCertSecret -}}
{{- $options = concat $options (list "ssl_certfile=/etc/dcr-sidecar/store-tls/tls.crt" "ssl_keyfile=/etc/dcr-sidecar/store-tls/tls.key") -}}
{{- end -}}
{{- .Values.store.url -}}
{{- if $options -}}
{{- ternary "&" "?" (contains "?" .Values.store.url) -}}{{- join "&" $options -}}
{{- end -}}
{{- end }}

{{- define "dcr-sidecar.config" -}}
{{- include "dcr-sidecar.checks" . -}}
{{- $v := .Values -}}
{{- $c := deepCopy $v.config -}}
{{- $every := include "dcr-sidecar.everyAddress" . -}}
{{- $_ := set $c "keys" (dict "file" (ternary "/var/lib/dcr-sidecar/keys.json" "keys/keys.json" $v.trial)) -}}
{{- $store := default dict $c.store -}}
{{- if $v.store.embedded.enabled -}}
{{- $_ := set $store "url" "embedded:/var/lib/dcr-sidecar/store" -}}
{{- else if $v.store.existingSecret -}}
{{- $_ := set $store "url_file" "store/url" -}}
{{- else -}}
{{- $_ := set $store "url" (include "dcr-sidecar.storeUrl" .) -}}
{{- end -}}
{{- $_ := set $c "store" $store -}}
{{- if $v.admin.existingSecret -}}
{{- $_ := set $c "admin" (dict "token_file" "admin/token") -}}
{{- end -}}
{{- if include "dcr-sidecar.hasEnvoy" . -}}
{{- /* Sockets that only the two containers share: not even the MCP server beside them reaches the check. */ -}}
{{- $run := "unix:/run/dcr-sidecar" -}}
{{- $_ := set $c "listeners" (dict "oauth" (printf "%s/oauth.sock" $run) "check" (printf "%s/check.sock" $run) "admin" (printf "%s/admin.sock" $run) "ops" (printf "%s:9403" $every)) -}}
{{- $envoy := merge (dict "listen" (printf "%s:%d" $every (int $v.envoy.port)) "admin" (printf "%s/envoy.sock" $run)) (default dict $c.envoy) -}}
{{- if $v.envoy.tlsSecret -}}
{{- $_ := set $envoy "tls" (dict "cert_file" "/etc/dcr-sidecar/tls/tls.crt" "key_file" "/etc/dcr-sidecar/tls/tls.key") -}}
{{- end -}}
{{- $_ := set $c "envoy" $envoy -}}
{{- else -}}
{{- /* oauth and check bind the pod's own address, which only its environment knows. */ -}}
{{- $_ := set $c "listeners" (dict "ops" (printf "%s:9403" $every) "check_secret_file" "check/secret") -}}
{{- end -}}
{{- $_ := set $c "replicas" (int (include "dcr-sidecar.maxReplicas" .)) -}}
{{- toYaml $c -}}
{{- end }}
