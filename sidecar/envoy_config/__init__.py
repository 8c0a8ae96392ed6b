"""Envoy's configuration for what is served, as pure functions over plain values.

Owns the one source of it: `dcr-sidecar envoy-config`, `envoy/`, the demo and the chart all print this. Reads no secret
and no environment; the decision itself is the check's, this only makes sure that it is asked.

    plan        what Envoy needs to know
    text        YAML with comments
    comments    what those comments say
    bootstrap   a whole Envoy (`bootstrap`), or the parts for one that already runs (`fragment`)
    listener    edge settings, TLS, access log
    routes      virtual hosts; the explicit list of routes without a check
    filters     identity headers stripped, source address set, ext_authz
    replies     JSON bodies of Envoy's own answers
    clusters    upstreams
    typed       small words of Envoy's vocabulary

And for gateways that already run in Kubernetes:

    kubernetes          hosts, Services, manifests as text
    envoy_gateway       policies; `envoy_gateway_routes` routes, `envoy_gateway_notes` its words to the reader
    istio               check and routes; `istio_filters` the rest, `istio_notes` its words to the reader
    gateway_refusal     the Lua filter of both
"""

from sidecar.envoy_config.bootstrap import bootstrap, fragment
from sidecar.envoy_config.comments import COMMENTS
from sidecar.envoy_config.envoy_gateway import envoy_gateway_yaml
from sidecar.envoy_config.istio import istio_yaml
from sidecar.envoy_config.kubernetes import Place
from sidecar.envoy_config.plan import Address, EnvoyPlan, plan_from
from sidecar.envoy_config.text import dump_yaml

__all__ = [
    "COMMENTS",
    "Address",
    "EnvoyPlan",
    "Place",
    "bootstrap",
    "dump_yaml",
    "envoy_gateway_yaml",
    "fragment",
    "istio_yaml",
    "plan_from",
]
