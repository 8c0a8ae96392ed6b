"""From the file's sections to `Settings`, refusing at start what would be unsafe or cannot mean what it says.

Each function takes what it judges and reports to one list, so that everything wrong is told at once.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from sidecar import keyfile
from sidecar.records import Lifetimes, Pool
from sidecar.sealing import Keyring
from sidecar.settings.binds import Bind, bind
from sidecar.settings.clients import resolve_clients, resolve_documents, resolve_policy
from sidecar.settings.errors import Problem, SettingsError
from sidecar.settings.limits import resolve_limits
from sidecar.settings.model import EnvoySettings, Listeners, LogSettings, Outline, Settings, StoreSettings
from sidecar.settings.pools import resolve_pools
from sidecar.settings.schema import Configuration, EnvoySection, ListenersSection
from sidecar.settings.secret_files import Secrets, unguessable
from sidecar.settings.servers import resolve_servers
from sidecar.store import address

_TOKEN_LENGTH = 32
_ELSEWHERE_MS, _EMBEDDED_MS = 250, 1000
"""A store of our own is on this machine, and waits for its disk at every write: slow is not gone there."""


def outline(raw: Configuration, base: Path) -> Outline:
    """What Envoy's configuration depends on; reads no secret. Raises SettingsError."""
    problems: list[Problem] = []
    secrets = Secrets(base, problems, withheld=True)
    directory = resolve_servers(raw.servers, resolve_pools(raw.pools, secrets), problems, [])
    listeners = _listeners(raw.listeners, secrets, problems)
    envoy = _envoy(raw.envoy, base, problems, default_stream=raw.lifetimes.access)
    if problems:
        raise SettingsError(problems)
    return Outline(directory, listeners, envoy)


def resolve(raw: Configuration, base: Path) -> Settings:
    """Relative paths start at `base`. Raises SettingsError."""
    problems: list[Problem] = []
    warnings: list[str] = []
    secrets = Secrets(base, problems)
    keyring = _keyring(base / raw.keys.file, problems, warnings)
    pools = resolve_pools(raw.pools, secrets)
    directory = resolve_servers(raw.servers, pools, problems, warnings)
    named = {*pools, *(server.pool for server in directory.servers)}
    directory = replace(directory, clients=resolve_clients(raw.clients, named, secrets))
    listeners = _listeners(raw.listeners, secrets, problems)
    admin_token = _shared_secret("admin.token", raw.admin.token, raw.admin.token_file, secrets)
    if admin_token and not listeners.admin.private:
        text = "it speaks plain HTTP, and whoever reads along has the admin token; keep it on loopback or a unix: path"
        warnings.append(f"listeners.admin: {text}, or put TLS in front of it")
    store = _store(raw, base, secrets, problems)
    envoy = _envoy(raw.envoy, base, problems, default_stream=raw.lifetimes.access)
    _distinct(admin_token, listeners.check_secret, pools, problems)
    registration = resolve_policy(raw.registration, problems)
    documents = resolve_documents(raw.registration, base, problems)
    limits = resolve_limits(raw.limits, problems)
    if problems or keyring is None:
        raise SettingsError(problems)
    return Settings(
        listeners=listeners,
        keyring=keyring,
        directory=directory,
        store=store,
        registration=registration,
        dcr=raw.registration.dcr,
        lifetimes=Lifetimes(**raw.lifetimes.model_dump()),
        log=LogSettings(raw.log.format, raw.log.level),
        envoy=envoy,
        documents=documents,
        limits=limits,
        admin_token=admin_token,
        keys_file=str(base / raw.keys.file),
        warnings=tuple(warnings),
    )


def _keyring(path: Path, problems: list[Problem], warnings: list[str]) -> Keyring | None:
    try:
        keyring = keyfile.load(path)
    except keyfile.KeyFileError as error:
        problems.append(Problem("keys.file", str(error)))
        return None
    if keyfile.exposed(path):
        warnings.append(f"keys.file: every user of this machine can read {path}; mend it with chmod 600")
    return keyring


def _shared_secret(key: str, value: SecretStr | None, file: str, secrets: Secrets) -> str:
    """A secret that we choose, so it has no excuse to be guessable."""
    found = secrets.read(key, value, file)
    if found and not secrets.withheld and not unguessable(found):
        text = f"must be {_TOKEN_LENGTH} random characters or more; make it with `openssl rand -hex 32`"
        secrets.problems.append(Problem(key, text))
    return found


def _listeners(raw: ListenersSection, secrets: Secrets, problems: list[Problem]) -> Listeners:
    secret = _shared_secret("listeners.check_secret", raw.check_secret, raw.check_secret_file, secrets)
    found = Listeners(bind(raw.oauth), bind(raw.check), bind(raw.admin), bind(raw.ops), secret)
    for name, listener in (("oauth", found.oauth), ("check", found.check), ("admin", found.admin)):
        if listener.every_address:
            text = f"only `ops` may bind every address; name one, such as 127.0.0.1:{listener.port}, or a unix: path"
            problems.append(Problem(f"listeners.{name}", text))
    if not found.check.private and not secret:
        text = (
            "its answers hold upstream tokens: off loopback and unix: it needs `listeners.check_secret_file`, "
            "which Envoy sends with every check"
        )
        problems.append(Problem("listeners.check", text))
    _distinct_listeners((found.oauth, found.check, found.admin, found.ops), problems)
    return found


def _distinct_listeners(binds: tuple[Bind, ...], problems: list[Problem]) -> None:
    fixed = [bind for bind in binds if bind.unix or bind.port]
    if len(set(fixed)) != len(fixed):
        problems.append(Problem("listeners", "two listeners have the same address; each needs its own"))


def _store(raw: Configuration, base: Path, secrets: Secrets, problems: list[Problem]) -> StoreSettings:
    url = secrets.read("store.url", raw.store.url, raw.store.url_file)
    if not url and raw.store.url is None and not raw.store.url_file:
        problems.append(Problem("store.url", "is required, such as redis://127.0.0.1:6379/0 or embedded:./data"))
    if url.startswith("embedded:"):
        if raw.replicas > 1:
            text = "`embedded:` is for one sidecar on one machine; with `replicas` above 1 give a Redis URL"
            problems.append(Problem("store.url", text))
        if url == "embedded:":
            problems.append(Problem("store.url", "needs a directory: embedded:./data"))
        url = f"embedded:{(base / url.removeprefix('embedded:')).resolve()}"
    elif url:
        try:
            address.parse(url)
        except ValueError as error:
            problems.append(Problem("store.url", str(error)))
    patience = _EMBEDDED_MS if url.startswith("embedded:") else _ELSEWHERE_MS
    return StoreSettings(url, raw.store.prefix, raw.store.wait_replicas, raw.store.timeout_ms or patience)


def _envoy(raw: EnvoySection, base: Path, problems: list[Problem], *, default_stream: int) -> EnvoySettings:
    if bool(raw.tls.cert_file) != bool(raw.tls.key_file):
        problems.append(Problem("envoy.tls", "needs both `cert_file` and `key_file`"))
    admin = bind(raw.admin)
    if not admin.private:
        problems.append(Problem("envoy.admin", "Envoy's admin page can stop it and shows its secrets: loopback only"))
    return EnvoySettings(
        listen=bind(raw.listen),
        admin=admin,
        trusted_hops=raw.trusted_hops,
        tls_cert_file=str(base / raw.tls.cert_file) if raw.tls.cert_file else "",
        tls_key_file=str(base / raw.tls.key_file) if raw.tls.key_file else "",
        stream_seconds=raw.stream_seconds or default_stream,
    )


def _distinct(admin_token: str, check_secret: str, pools: Mapping[str, Pool], problems: list[Problem]) -> None:
    """A secret that two places know is as weak as the weaker of them."""
    seen = [value for value in (admin_token, check_secret) if value]
    upstream = {pool.client_secret for pool in pools.values()} - {""}
    upstream |= {former.client_secret for pool in pools.values() for former in pool.former} - {""}
    if len(set(seen)) != len(seen) or upstream.intersection(seen):
        text = "is used twice; the admin token, the check secret and every client secret must differ"
        problems.append(Problem("admin.token" if admin_token else "listeners.check_secret", text))
