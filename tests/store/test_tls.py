"""`rediss://`: against a server's own TLS where a Redis here has it, and against one that ends before a real server."""

import asyncio
import ssl
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import run

import pytest
from redis import Redis

from sidecar.clock import system_clock, system_monotonic
from sidecar.doctor.deployment import StoreAddress
from sidecar.doctor.look_at_store import look
from sidecar.store.base import StoreError
from sidecar.store.redis import open_store
from tests.store.authority import authority, server_context
from tests.store.build import redeemed, state_of
from tests.store.servers import free_port, patient_store, redis_binary, running, sentinel_of, valkey_binary


def has_tls(binary: str) -> bool:
    linked = run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    return "libssl" in linked


OWN_TLS = pytest.mark.skipif(not has_tls(redis_binary()), reason="no redis-server on PATH was built with TLS")


@pytest.fixture
def files(tmp_path):
    """Two authorities and what they issued, by name."""
    ours, other = authority("ours"), authority("other")
    return {
        "ca": ours.write(tmp_path / "ca.pem"),
        "other-ca": other.write(tmp_path / "other-ca.pem"),
        "good": ours.issue(tmp_path / "good.pem"),
        "elsewhere": ours.issue(tmp_path / "elsewhere.pem", "store.example"),
        "expired": ours.issue(tmp_path / "expired.pem", over=True),
        "client": ours.issue(tmp_path / "client.pem", "sidecar"),
        "stranger": other.issue(tmp_path / "stranger.pem", "sidecar"),
        "absent": tmp_path / "absent.pem",
        "garbage": Path(__file__),
    }


@contextmanager
def own_tls(files, certificate: str, *, clients: bool = False, options=()):
    """A Redis that speaks TLS, and nothing else, on a port."""
    tls = free_port()
    words = ["--tls-port", str(tls), "--tls-cert-file", str(files[certificate]), "--tls-key-file"]
    words += [str(files[certificate]), "--tls-ca-cert-file", str(files["ca"])]
    words += ["--tls-auth-clients", "yes" if clients else "no", *options]
    with running(redis_binary(), *words) as server:
        yield tls, server


@asynccontextmanager
async def front(files, certificate: str, *, clients: bool = False):
    """A real Valkey behind something that ends TLS, as managed ones are."""
    context = server_context(files[certificate], files["ca"] if clients else None)
    with running(valkey_binary()) as server:

        async def relay(reader, writer):
            far_reader, far_writer = await asyncio.open_unix_connection(server.socket)
            try:
                await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))
            finally:
                far_writer.close()
                writer.close()

        async def copy(reader, writer):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()

        listening = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
        async with listening:
            yield listening.sockets[0].getsockname()[1]


@asynccontextmanager
async def speaking_tls(kind: str, files, certificate: str, *, clients: bool = False):
    if kind == "front":
        async with front(files, certificate, clients=clients) as port:
            yield port
    else:
        with own_tls(files, certificate, clients=clients) as (port, _):
            yield port


def url_of(files, port: int, scheme: str = "rediss", rest: str = "", **options: str) -> str:
    query = "&".join(f"{name}={files[which]}" for name, which in options.items())
    return f"{scheme}://127.0.0.1:{port}{rest}?{query}"


KINDS = pytest.mark.parametrize("kind", ["front", pytest.param("own", marks=OWN_TLS)])
CASES = [
    pytest.param("good", {"ssl_ca_certs": "ca"}, "", id="private-ca"),
    pytest.param("good", {}, "from nobody we trust", id="system-authorities"),
    pytest.param("good", {"ssl_ca_certs": "other-ca"}, "from nobody we trust", id="other-ca"),
    pytest.param("elsewhere", {"ssl_ca_certs": "ca"}, "for another host", id="other-host"),
    pytest.param("expired", {"ssl_ca_certs": "ca"}, "has expired", id="expired"),
    pytest.param("good", {"ssl_ca_certs": "absent"}, "ssl_ca_certs.* cannot be used", id="no-file"),
    pytest.param("good", {"ssl_ca_certs": "garbage"}, "ssl_ca_certs.* cannot be used", id="no-certificate-in-it"),
    pytest.param("good", {"ssl_ca_certs": "ca", "ssl_certfile": "ca"}, "cannot be used", id="no-key-in-it"),
]


@KINDS
@pytest.mark.parametrize(("certificate", "options", "fault"), CASES)
async def test_the_certificate_decides_and_what_is_wrong_is_told(kind, files, certificate, options, fault):
    async with speaking_tls(kind, files, certificate) as port:
        url = url_of(files, port, **options)
        async with patient_store(url) as store:
            if not fault:
                state = await redeemed(store)
                assert await state_of(store, state.grant.id) == state
                return
            with pytest.raises(StoreError, match=fault):
                await store.ping()
        seen = await look(StoreAddress(url), clock=system_clock, monotonic=system_monotonic)
        assert str(seen.fault) == (await refusal(url)), "the doctor says the same"


async def refusal(url: str) -> str:
    async with patient_store(url) as store:
        with pytest.raises(StoreError) as told:
            await store.ping()
        return str(told.value)


@KINDS
@pytest.mark.parametrize(
    ("options", "fault"),
    [
        pytest.param({"ssl_certfile": "client"}, "", id="ours"),
        pytest.param({"ssl_certfile": "client", "ssl_keyfile": "client"}, "", id="ours-in-two-files"),
        pytest.param({"ssl_certfile": "stranger"}, r"does not take our certificate|closed", id="strangers"),
        pytest.param({}, r"does not take our certificate|closed", id="none"),
    ],
)
async def test_a_server_may_ask_who_we_are(kind, files, options, fault):
    async with (
        speaking_tls(kind, files, "good", clients=True) as port,
        patient_store(url_of(files, port, ssl_ca_certs="ca", **options)) as store,
    ):
        if not fault:
            await store.ping()
            return
        with pytest.raises(StoreError, match=fault):
            await store.ping()


@pytest.mark.parametrize(
    ("scheme", "rest"), [("rediss", ""), ("rediss+sentinel", "/main"), ("rediss+cluster", "")], ids=lambda name: name
)
async def test_nothing_is_ever_said_in_clear(files, scheme, rest):
    """A server that would gladly talk without TLS hears a handshake, and no password."""
    heard = []

    async def listen(reader, writer):
        heard.append(await reader.read(65536))
        writer.write(b"+OK\r\n")
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = url_of(files, port, scheme, rest, ssl_ca_certs="ca").replace("://", "://user:very-secret@")
        async with open_store(url, timeout_ms=2000) as store:
            with pytest.raises(StoreError, match="agree on TLS"):
                await store.ping()
    assert heard
    for said in heard:
        assert said.startswith(b"\x16\x03"), "a TLS handshake (RFC 8446 5.1)"
        assert b"very-secret" not in said


@OWN_TLS
@pytest.mark.parametrize(("trusted", "fault"), [("ca", ""), ("other-ca", "from nobody we trust")])
async def test_a_sentinel_is_asked_over_tls_too(files, trusted, fault):
    with own_tls(files, "good") as (port, _):
        tls = ["tls-replication yes", "tls-auth-clients no", f"tls-ca-cert-file {files['ca']}"]
        tls += [f"tls-cert-file {files['good']}", f"tls-key-file {files['good']}"]
        with sentinel_of(port, tls_port=free_port(), options=tls, binary=redis_binary()) as sentinel:
            async with patient_store(
                url_of(files, sentinel.port, "rediss+sentinel", "/main", ssl_ca_certs=trusted)
            ) as s:
                if not fault:
                    assert await redeemed(s)
                    return
                with pytest.raises(StoreError, match=fault):
                    await s.ping()


@OWN_TLS
@pytest.mark.parametrize(("trusted", "fault"), [("ca", ""), ("other-ca", "from nobody we trust")])
async def test_nodes_of_a_cluster_are_asked_over_tls_too(files, trusted, fault):
    options = ("--cluster-enabled", "yes", "--tls-cluster", "yes", "--cluster-port", str(free_port()))
    with own_tls(files, "good", options=options) as (port, server):
        with Redis(unix_socket_path=server.socket) as admin:
            admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while b"cluster_state:ok" not in admin.execute_command("CLUSTER", "INFO"):
                pass
        async with patient_store(url_of(files, port, "rediss+cluster", ssl_ca_certs=trusted)) as store:
            if not fault:
                assert await redeemed(store)
                return
            with pytest.raises(StoreError, match=fault):
                await store.ping()


async def test_the_files_are_read_once_for_all_connections(files, monkeypatch):
    """Reading all of the system's authorities takes longer than an operation may, and stops everything meanwhile."""
    reads, read = [], ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda **options: reads.append(options) or read(**options))
    async with front(files, "good") as port, patient_store(url_of(files, port, ssl_ca_certs="ca")) as store:
        await asyncio.gather(*(store.ping() for _ in range(50)))
    assert len(reads) == 1


async def test_renewed_files_are_used_without_a_restart(files, tmp_path):
    """And a file that is half written changes nothing."""
    async with front(files, "good", clients=True) as port:
        url = url_of(files, port, ssl_ca_certs="ca", ssl_certfile="client")
        async with patient_store(url) as store:
            await store.ping()

            async def anew():
                await store.link._client.connection_pool.disconnect()
                await store.ping()

            renewed = authority("renewed")
            good = files["client"].read_bytes()
            files["client"].write_bytes(good[:100])
            await anew()
            renewed.issue(files["client"], "sidecar")
            with pytest.raises(StoreError, match=r"does not take our certificate|closed"):
                await anew()
            files["client"].write_bytes(good)
            await anew()
