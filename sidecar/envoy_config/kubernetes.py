"""What the formats for gateways that already run share: hosts, Services, and manifests as text.

Owns how a plan reads in Kubernetes' terms, and the one list of public paths there, taken from the bootstrap's own
routes. Owns no kind of any gateway.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from sidecar.directory import Server
from sidecar.envoy_config.clusters import OAUTH
from sidecar.envoy_config.plan import EnvoyPlan, is_ip, is_relayed
from sidecar.envoy_config.routes import virtual_hosts
from sidecar.envoy_config.text import dump_yaml
from sidecar.envoy_config.typed import Doc

CLUSTER_DOMAIN = "cluster.local"
_LABELS = {"app.kubernetes.io/name": "dcr-sidecar", "app.kubernetes.io/component": "gateway"}
_SERVICE_PARTS = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the cluster things are. Names, no secret."""

    namespace: str = "dcr-sidecar"
    """Of the sidecar, and of every route and policy that is printed."""
    service: str = "dcr-sidecar"
    """The sidecar's Service, with its oauth and its check port."""
    gateway: str = "public"
    gateway_namespace: str = "gateways"
    listener: str = ""
    """Envoy Gateway: one listener of that Gateway; empty for all of them."""
    workload: str = "istio=ingressgateway"
    """Istio: a label of the pods that are the gateway."""
    secret: str = "dcr-sidecar-check"  # noqa: S105 - an object's name
    """Envoy Gateway: the Secret that holds the check's secret under `credential`."""
    lua: bool = True
    """Whether the gateway may run the filter for an MCP server's 401."""


class Host(NamedTuple):
    name: str
    """Without a port: which one is the gateway's business."""
    public: list[Doc]
    """Matches of what goes to the oauth listener without a check, in the bootstrap's words: `path` or `prefix`."""
    servers: list[Server]
    """Longest path first."""


class Service(NamedTuple):
    name: str
    namespace: str
    port: int


@dataclass(frozen=True, slots=True)
class Manifest:
    body: Doc
    comment: str = ""


def manifest(kind: str, name: str, namespace: str, spec: Doc, comment: str = "") -> Manifest:
    """`kind` with its group and version in front."""
    version, _, bare = kind.rpartition("/")
    metadata = {"name": name, "namespace": namespace, "labels": dict(_LABELS)}
    return Manifest({"apiVersion": version, "kind": bare, "metadata": metadata, "spec": spec}, comment)


def refuse_unreachable(plan: EnvoyPlan) -> None:
    """Raises ValueError for listeners that no gateway in another pod can or may call."""
    if plan.oauth.unix or plan.check.unix:
        raise ValueError("listeners: a gateway in another pod needs TCP ports, not unix sockets")
    if not plan.check_secret:
        raise ValueError("listeners.check_secret_file: needed, since a gateway in another pod calls the check")


def hosts(plan: EnvoyPlan) -> list[Host]:
    """Every configured authority with what is served there. Raises ValueError for one that a gateway cannot serve."""
    found: dict[str, Host] = {}
    for virtual in virtual_hosts(plan):
        authority = virtual["name"].rpartition(" ")[2]
        name = urlsplit(f"//{authority}").hostname or ""
        if is_ip(name) or name in found:
            raise ValueError(f"{authority}: gateways tell hosts apart by name, not by address or port")
        public = list(_public(virtual["routes"]))
        servers = [each for each in plan.directory.servers if each.authority == authority and not is_relayed(each)]
        if servers or any(issuer.authority == authority for issuer in plan.directory.issuers):
            found[name] = Host(name, public, sorted(servers, key=lambda server: -len(server.path)))
    return list(found.values())


def _public(routes: Iterable[Doc]) -> Iterator[Doc]:
    """Without what a shorter prefix covers: such matches make way for relayed documents, which have no route here."""
    matches: list[Doc] = []
    for route in routes:
        if route.get("route", {}).get("cluster") == OAUTH:
            match dict(route["match"]):
                case {"path_separated_prefix": path}:
                    matches += [{"path": path}, {"prefix": f"{path}/"}]
                case other:
                    matches.append(other)
    prefixes = [each["prefix"] for each in matches if "prefix" in each]
    for each in matches:
        (path,) = each.values()
        if not any(path != prefix and path.startswith(prefix) for prefix in prefixes):
            yield each


def service_of(server: Server, place: Place) -> Service:
    """The Service that an origin names: `name`, `name.namespace`, with or without `.svc` and the cluster's domain."""
    parts = urlsplit(server.origin)
    host = (parts.hostname or "").removesuffix(f".{CLUSTER_DOMAIN}").removesuffix(".svc")
    labels = host.split(".")
    if parts.scheme != "http" or is_ip(host) or len(labels) > _SERVICE_PARTS:
        raise ValueError(
            f"servers.{server.name}.origin: {server.origin!r} is not http://SERVICE.NAMESPACE:PORT; "
            "this format routes to Services of the cluster only"
        )
    return Service(labels[0], labels[1] if len(labels) == _SERVICE_PARTS else place.namespace, parts.port or 80)


def slug(text: str) -> str:
    """A host or a server's name as a part of an object's name."""
    return "".join(char if char.isalnum() else "-" for char in text.lower()).strip("-")


def challenged(plan: EnvoyPlan) -> list[Server]:
    return [server for server in plan.directory.servers if not is_relayed(server)]


def manifests_yaml(manifests: Iterable[Manifest], comments: Mapping[str, str], preamble: str) -> str:
    """One YAML stream. A comment of `comments` stands once, in the first manifest that has its key."""
    pending = dict(comments)
    texts = [preamble]
    for each in manifests:
        above = "".join(f"# {line}\n" if line else "#\n" for line in each.comment.splitlines())
        text = dump_yaml(each.body, pending)
        paths = list(_paths(each.body, ""))
        pending = {key: said for key, said in pending.items() if not any(path.endswith(f".{key}") for path in paths)}
        texts.append(f"---\n{above}{text}")
    return "".join(texts)


def _paths(value: object, above: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield f"{above}.{key}"
            yield from _paths(below, f"{above}.{key}")
    elif isinstance(value, list):
        for below in value:
            yield from _paths(below, above)
