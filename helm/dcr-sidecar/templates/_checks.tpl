{{/*
What cannot be meant, said at render time with its fix. The schema judges single values, this judges them together.
Every object that a wrong value would spoil includes it through the configuration.
*/}}

{{- define "dcr-sidecar.checks" -}}
{{- $v := .Values -}}
{{- $single := or $v.trial $v.store.embedded.enabled -}}
{{- if not $v.image.repository -}}
{{- fail "image.repository: is required; `make image IMAGE=registry.example/dcr-sidecar:0.1.0` builds it, then push it there" -}}
{{- end -}}
{{- if not $v.config.servers -}}
{{- fail "config.servers: is required: the MCP servers to protect, as in the README under Configuration" -}}
{{- end -}}
{{- if and (not $v.keys.existingSecret) (not $v.trial) -}}
{{- fail "keys.existingSecret: is required; make it with `dcr-sidecar keys generate keys.json` and `kubectl create secret generic dcr-sidecar-keys --from-file=keys.json`, or set trial: true for keys that are lost with the pod" -}}
{{- end -}}
{{- if and $v.keys.existingSecret $v.trial -}}
{{- fail "trial: true makes keys of its own; remove it, or remove keys.existingSecret" -}}
{{- end -}}
{{- if and $v.trial (or (gt (int $v.replicas) 1) $v.autoscaling.enabled) -}}
{{- fail "trial: its keys exist in one pod only; set replicas: 1 and autoscaling.enabled: false, or make keys.existingSecret" -}}
{{- end -}}
{{- include "dcr-sidecar.checkStore" . -}}
{{- $going := add (int $v.drain.seconds) (int $v.drain.closingSeconds) 30 -}}
{{- if lt (int $v.terminationGracePeriodSeconds) (int $going) -}}
{{- fail (printf "terminationGracePeriodSeconds: %d would kill requests under way; set at least drain.seconds + drain.closingSeconds + 30 = %d" (int $v.terminationGracePeriodSeconds) $going) -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas: is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- include "dcr-sidecar.checkAutoscaling" . -}}
{{- if and $v.networkPolicy.enabled (not $v.networkPolicy.metricsFrom) (or $v.monitoring.serviceMonitor.enabled $v.monitoring.podMonitor.enabled) -}}
{{- fail "networkPolicy.metricsFrom: is empty, so the NetworkPolicy keeps Prometheus from its metrics; name its pods or its namespace, as NetworkPolicy peers" -}}
{{- end -}}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs: is required: the Gateways that the HTTPRoute hangs on, such as [{name: public, namespace: gateways}]" -}}
{{- end -}}
{{- include "dcr-sidecar.checkShape" . -}}
{{- end }}

{{/* An autoscaler computes no share of a pod's use when one of its containers requests nothing. */}}
{{- define "dcr-sidecar.checkAutoscaling" -}}
{{- $v := .Values -}}
{{- range $resource, $percent := dict "cpu" $v.autoscaling.targetCPU "memory" $v.autoscaling.targetMemory -}}
{{- if and $v.autoscaling.enabled $percent (eq $v.shape "sidecar") (not (dig "requests" $resource "" $v.mcp.resources)) -}}
{{- fail (printf "mcp.resources.requests.%s: is required with autoscaling.enabled, for a container that requests none keeps the autoscaler from counting" $resource) -}}
{{- end -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (not (or $v.autoscaling.targetCPU $v.autoscaling.targetMemory)) -}}
{{- fail "autoscaling.targetCPU, autoscaling.targetMemory: set at least one, or there is nothing to scale by" -}}
{{- end -}}
{{- end }}

{{- define "dcr-sidecar.checkStore" -}}
{{- $v := .Values -}}
{{- $given := 0 -}}
{{- range list $v.store.url $v.store.existingSecret $v.store.embedded.enabled -}}
{{- if . -}}{{- $given = add $given 1 -}}{{- end -}}
{{- end -}}
{{- if ne (int $given) 1 -}}
{{- fail "store: set exactly one of store.url (Redis without a password), store.existingSecret (a Secret with the URL) and store.embedded.enabled" -}}
{{- end -}}
{{- if contains "@" $v.store.url -}}
{{- fail "store.url: holds a user or a password, which a ConfigMap must not; put the URL into a Secret and name it in store.existingSecret" -}}
{{- end -}}
{{- if and $v.store.embedded.enabled (or (gt (int $v.replicas) 1) $v.autoscaling.enabled) -}}
{{- fail "store.embedded: is for one pod; set replicas: 1 and autoscaling.enabled: false, or give a Redis in store.url or store.existingSecret" -}}
{{- end -}}
{{- if and $v.store.embedded.enabled (eq $v.shape "library") -}}
{{- fail "store.embedded: shape library cannot know how many pods your chart makes; give a Redis in store.url or store.existingSecret" -}}
{{- end -}}
{{- if and (or $v.store.caSecret $v.store.clientCertSecret) $v.store.url (not (hasPrefix "rediss" $v.store.url)) -}}
{{- fail "store.caSecret, store.clientCertSecret: are for TLS; begin store.url with rediss://, rediss+sentinel:// or rediss+cluster://" -}}
{{- end -}}
{{- end }}

{{- define "dcr-sidecar.checkShape" -}}
{{- $v := .Values -}}
{{- $loopback := "^https?://(127\\.|localhost[:/]|localhost$|\\[::1\\])" -}}
{{- range $v.config.servers -}}
{{- $here := regexMatch $loopback .origin -}}
{{- if and (has $v.shape (list "sidecar" "library")) (not $here) -}}
{{- fail (printf "config.servers: the origin of %s must be http://127.0.0.1:PORT, for with shape %s the MCP server is in the same pod; for one elsewhere take shape: gateway" .name $v.shape) -}}
{{- end -}}
{{- if and (has $v.shape (list "gateway" "extauthz")) $here -}}
{{- fail (printf "config.servers: the origin of %s is loopback, where with shape %s no MCP server is; name its Service, or take shape: sidecar" .name $v.shape) -}}
{{- end -}}
{{- end -}}
{{- if eq $v.shape "sidecar" -}}
{{- if not $v.mcp.image -}}
{{- fail "mcp.image: is required with shape sidecar: the MCP server's own image" -}}
{{- end -}}
{{- if not (or $v.networkPolicy.enabled $v.mcp.listensOnLoopback) -}}
{{- fail "networkPolicy.enabled: without it the MCP server's own port is open to the cluster, around the check; leave it on, or let the MCP server listen on 127.0.0.1 and set mcp.listensOnLoopback: true" -}}
{{- end -}}
{{- end -}}
{{- if and (eq $v.shape "gateway") (not $v.origin.closedElsewhere) (or (not $v.origin.podSelector) (not $v.networkPolicy.enabled)) -}}
{{- fail "origin.podSelector: without it the existing MCP server stays open to the cluster, around the check; give its pods' labels and leave networkPolicy.enabled on, or close it yourself and set origin.closedElsewhere: true" -}}
{{- end -}}
{{- if eq $v.shape "extauthz" -}}
{{- if not $v.extauthz.check.existingSecret -}}
{{- fail "extauthz.check.existingSecret: is required, for the check's answers hold upstream tokens; `kubectl create secret generic dcr-sidecar-check --from-literal=credential=$(openssl rand -hex 32)`" -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled (not $v.extauthz.from) -}}
{{- fail "extauthz.from: is required: NetworkPolicy peers that name the gateway's pods, which alone may reach the check" -}}
{{- end -}}
{{- if or $v.ingress.enabled $v.httpRoute.enabled -}}
{{- fail "ingress, httpRoute: would lead around the gateway that asks the check; with shape extauthz the gateway's own objects are the way in" -}}
{{- end -}}
{{- end -}}
{{- if eq $v.shape "library" -}}
{{- if and $v.networkPolicy.enabled (not $v.library.podSelector) -}}
{{- fail "library.podSelector: is required for the NetworkPolicy that closes the MCP server's port: the labels of your pods" -}}
{{- end -}}
{{- if or $v.ingress.enabled $v.httpRoute.enabled $v.autoscaling.enabled $v.monitoring.serviceMonitor.enabled -}}
{{- fail "ingress, httpRoute, autoscaling, monitoring.serviceMonitor: shape library makes neither pods nor a Service, so your own chart has these; monitoring.podMonitor works" -}}
{{- end -}}
{{- end -}}
{{- end }}
