"""A running Envoy with a spoiled configuration: each way around the check is found, in what it says of itself."""

import copy
import json
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from sidecar.directory import Directory, Issuer, Server
from sidecar.doctor.dump import read
from sidecar.doctor.envoy import judge_envoy
from sidecar.doctor.look_at_envoy import look
from sidecar.envoy_config import Address, EnvoyPlan, bootstrap
from sidecar.envoy_config.typed import NO_CHECK
from tests.doctor.deployed import HOST, ISSUER, deployment, examined, wrong
from tests.fakes.envoy import free_port, running_envoy

ORIGIN = "http://127.0.0.1:3000"
EXT_AUTHZ = "envoy.filters.http.ext_authz"


def served():
    """A guarded server, and one that is relayed to the same origin: that is meant."""
    notes = Server("notes", f"{ISSUER}/mcp", ORIGIN, ISSUER, "corp")
    beside = Server("beside", f"{ISSUER}/open", ORIGIN, ISSUER, "", without_pool="relay")
    return Directory(servers=(notes, beside), issuers=(Issuer(ISSUER, "corp"),))


@asynccontextmanager
async def running(spoil=lambda document, manager: None):
    admin = free_port()
    plan = EnvoyPlan(served(), listen=Address("127.0.0.1", free_port()), admin=Address("127.0.0.1", admin))
    document = copy.deepcopy(bootstrap(plan))
    spoil(document, manager_of(document))
    async with running_envoy(document):
        yield plan, f"http://127.0.0.1:{admin}"


def manager_of(document):
    return document["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]


def authz_of(manager):
    return next(one for one in manager["http_filters"] if one["name"] == EXT_AUTHZ)


def host_of(manager):
    return next(host for host in manager["route_config"]["virtual_hosts"] if HOST in host["domains"])


def route_of(manager):
    return next(route for route in host_of(manager)["routes"] if route["name"] == "mcp notes")


def no_check(_document, manager):
    manager["http_filters"] = [one for one in manager["http_filters"] if one["name"] != EXT_AUTHZ]


def off_on_route(_document, manager):
    route_of(manager)["typed_per_filter_config"] = dict(NO_CHECK)


def off_on_host(_document, manager):
    host_of(manager)["typed_per_filter_config"] = dict(NO_CHECK)


def off_everywhere(_document, manager):
    authz_of(manager)["disabled"] = True


def weighted(_document, manager):
    action = route_of(manager)["route"]
    name = action.pop("cluster")
    plain, unchecked = {"name": name, "weight": 99}, {"name": name, "weight": 1, "typed_per_filter_config": NO_CHECK}
    action["weighted_clusters"] = {"clusters": [plain, unchecked]}


def another_route(_document, manager):
    route = {"match": {"prefix": "/debug"}, "route": {"cluster": route_of(manager)["route"]["cluster"]}}
    host_of(manager)["routes"].insert(0, {**route, "typed_per_filter_config": dict(NO_CHECK)})


def another_listener(document, _manager):
    """Somebody's own listener, with its own cluster, straight to the MCP server."""
    kind = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
    router = {"name": "r", "typed_config": {"@type": f"{ROUTER}"}}
    cluster = {**document["static_resources"]["clusters"][2], "name": "mine"}
    cluster["load_assignment"] = {**cluster["load_assignment"], "cluster_name": "mine"}
    document["static_resources"]["clusters"].append(cluster)
    route = {"match": {"prefix": "/"}, "route": {"cluster": "mine"}}
    manager = {"@type": kind, "stat_prefix": "x", "http_filters": [router]}
    manager["route_config"] = {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]}
    listener = {"name": "mine", "filter_chains": [{"filters": [{"name": "h", "typed_config": manager}]}]}
    listener["address"] = {"socket_address": {"address": "127.0.0.1", "port_value": free_port()}}
    document["static_resources"]["listeners"].append(listener)


ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def authz(**changes):
    return lambda _document, manager: authz_of(manager)["typed_config"].update(changes)


def manager_with(**changes):
    return lambda _document, manager: manager.update(changes)


def elsewhere(_document, manager):
    authz_of(manager)["typed_config"]["http_service"]["path_prefix"] = "/other"


def strips_less(_document, manager):
    extension = manager["early_header_mutation_extensions"][0]["typed_config"]
    extension["mutations"] = extension["mutations"][1:]


def no_host(_document, manager):
    hosts = manager["route_config"]["virtual_hosts"]
    hosts.remove(host_of(manager))


def longer(_document, manager):
    route_of(manager)["route"]["max_stream_duration"]["max_stream_duration"] = "7200s"


PERCENT = {"default_value": {"numerator": 50, "denominator": "HUNDRED"}}
DIFFERS = "envoy-differs"
CASES = [
    pytest.param(lambda document, manager: None, [], id="right"),
    pytest.param(no_check, ["envoy-no-check", "envoy-unchecked"], id="no-check"),
    pytest.param(off_on_route, ["envoy-unchecked", DIFFERS], id="off-on-route"),
    pytest.param(off_on_host, ["envoy-unchecked", DIFFERS], id="off-on-host"),
    pytest.param(off_everywhere, ["envoy-unchecked", DIFFERS], id="off-everywhere"),
    pytest.param(weighted, ["envoy-unchecked", DIFFERS], id="off-for-one-cluster-of-two"),
    pytest.param(another_route, ["envoy-unchecked", DIFFERS], id="another-route"),
    pytest.param(another_listener, ["envoy-unchecked"], id="another-listener"),
    pytest.param(authz(failure_mode_allow=True), ["envoy-fails-open", DIFFERS], id="fails-open"),
    pytest.param(authz(filter_enabled=PERCENT), ["envoy-sometimes", DIFFERS], id="half-of-them"),
    pytest.param(elsewhere, ["envoy-other-check", DIFFERS], id="asks-elsewhere"),
    pytest.param(strips_less, ["envoy-strip", DIFFERS], id="strips-less"),
    pytest.param(manager_with(normalize_path=False), ["envoy-paths", DIFFERS], id="paths"),
    pytest.param(manager_with(merge_slashes=True), ["envoy-paths", DIFFERS], id="slashes"),
    pytest.param(manager_with(xff_num_trusted_hops=1), ["envoy-source", DIFFERS], id="hops"),
    pytest.param(no_host, ["envoy-unserved", "envoy-unserved"], id="no-host"),
    pytest.param(longer, [DIFFERS], id="longer-streams"),
]


@pytest.mark.parametrize(("spoil", "ids"), CASES)
async def test_each_fault_of_a_running_envoy_is_found_and_nothing_else(spoil, ids):
    async with running(spoil) as (plan, admin):
        assert sorted(wrong(judge_envoy(await look(admin), plan, admin))) == sorted(ids)


async def test_a_difference_is_told_by_its_place():
    async with running(longer) as (plan, admin):
        found = [one for one in judge_envoy(await look(admin), plan, admin) if one.id == DIFFERS]
        assert "routes" in found[0].text
        assert "max_stream_duration" in found[0].text
        assert found[0].text.count(";") == 0


@pytest.fixture(scope="module")
def seen():
    """What an Envoy said that runs what we print; for what no test machine's Envoy should do."""
    return {"version": "0/1.40.0/Clean/RELEASE/BoringSSL", "state": "LIVE"}


def at(address):
    admin = {"address": {"socket_address": {"address": address, "port_value": 9901}}}
    kind = "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"
    return {"configs": [{"@type": kind, "bootstrap": {"admin": admin}}]}


INFO_CASES = [
    pytest.param({"state": "PRE_INITIALIZING"}, at("127.0.0.1"), "envoy-not-live", id="not-live"),
    pytest.param({"version": "0/1.35.1/Clean/RELEASE/BoringSSL"}, at("127.0.0.1"), "envoy-old", id="old"),
    pytest.param({"version": "0/1.36.9/Clean/RELEASE/BoringSSL"}, at("127.0.0.1"), "envoy-old", id="old-patch"),
    pytest.param({}, at("0.0.0.0"), "envoy-admin-public", id="public"),
    pytest.param({}, at("10.0.0.7"), "envoy-admin-public", id="network"),
]


@pytest.mark.parametrize(("info", "dump", "id_"), INFO_CASES)
def test_faults_of_the_server_itself_are_found(seen, info, dump, id_):
    found = wrong(judge_envoy(read(seen | info, dump), deployment().plan, "unix:x"))
    assert found == [id_, "envoy-no-check"]


@pytest.mark.parametrize("version", ["1.36.10", "1.39.1", "1.40.0", "1.41.0-dev", "2.0.0"])
def test_versions_with_the_mended_faults_are_fine(seen, version):
    running = read(seen | {"version": f"0/{version}/Clean/RELEASE/BoringSSL"}, at("::1"))
    assert wrong(judge_envoy(running, deployment().plan, "unix:x")) == ["envoy-no-check"]


def test_dynamic_listeners_with_routes_by_name_are_seen_too():
    """As an Envoy says it that gets everything from a control plane."""
    plan = EnvoyPlan(served())
    document = bootstrap(plan)
    manager = manager_of(document)
    routes = manager.pop("route_config")
    route_of({"route_config": routes})["typed_per_filter_config"] = dict(NO_CHECK)
    manager["rds"] = {"route_config_name": "dcr-sidecar"}
    kind = "type.googleapis.com/envoy.admin.v3."
    listener = document["static_resources"]["listeners"][0]
    clusters = [{"cluster": one} for one in document["static_resources"]["clusters"]]
    dump = {
        "configs": [
            {"@type": f"{kind}ListenersConfigDump", "dynamic_listeners": [{"active_state": {"listener": listener}}]},
            {"@type": f"{kind}RoutesConfigDump", "dynamic_route_configs": [{"route_config": routes}]},
            {"@type": f"{kind}ClustersConfigDump", "dynamic_active_clusters": clusters},
        ]
    }
    found = wrong(judge_envoy(read({"state": "LIVE"}, json.loads(json.dumps(dump))), plan, "unix:x"))
    assert found == [DIFFERS, "envoy-unchecked"]


async def test_an_envoy_that_is_not_there_is_a_warning_not_an_error():
    found = await examined("envoy", deployment())
    assert wrong(found) == ["envoy-unseen"]
    assert found[0].level == "warning"


async def test_what_is_no_admin_page_is_told(aiohttp_server):
    from aiohttp import web

    server = await aiohttp_server(web.Application())
    made = replace(deployment(), envoy_admin=f"http://127.0.0.1:{server.port}")
    assert wrong(await examined("envoy", made)) == ["envoy-unseen"]
