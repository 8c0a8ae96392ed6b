"""The key file."""

import json
from base64 import urlsafe_b64encode

import pytest

from sidecar import keyfile
from sidecar.keyfile import KeyFileError


def _entry(number=1, state="active", secret=None, **more):
    material = bytes(range(number, number + 32)) if secret is None else secret
    encoded = urlsafe_b64encode(material).decode().rstrip("=") if isinstance(material, bytes) else material
    return {"id": number, "state": state, "created_at": 1, "secret": encoded, **more}


def _write(path, *entries):
    path.write_text(json.dumps({"keys": list(entries)}))
    return path


def test_a_generated_file_loads_and_only_its_owner_reads_it(tmp_path, entropy, clock):
    path = tmp_path / "keys.json"
    keyfile.generate(path, entropy=entropy, clock=clock)
    keyring = keyfile.load(path)
    assert keyring.active == 1
    assert [key.created_at for key in keyring.keys] == [clock()]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not keyfile.exposed(path)


def test_generating_never_touches_a_file_that_is_there(tmp_path, entropy, clock):
    path = tmp_path / "keys.json"
    path.write_text("precious")
    with pytest.raises(KeyFileError, match="left alone"):
        keyfile.generate(path, entropy=entropy, clock=clock)
    assert path.read_text() == "precious"


def test_a_file_that_everybody_may_read_is_seen(tmp_path):
    path = _write(tmp_path / "keys.json", _entry())
    path.chmod(0o644)
    assert keyfile.exposed(path)


def test_every_state_is_read(tmp_path):
    entries = [_entry(1, "active"), _entry(2, "pending"), _entry(3, "open"), _entry(4, "retired")]
    keyring = keyfile.load(_write(tmp_path / "keys.json", *entries))
    assert [key.state.value for key in keyring.keys] == ["active", "pending", "open", "retired"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        pytest.param([], "exactly one key", id="none"),
        pytest.param([_entry(1), _entry(2)], "exactly one key", id="two active"),
        pytest.param([_entry(1, "open")], "exactly one key", id="none active"),
        pytest.param([_entry(1), _entry(1, "open", bytes(range(150, 182)))], "same id", id="same id"),
        pytest.param([_entry(1), _entry(2, "open", bytes(range(1, 33)))], "equal", id="equal keys"),
        pytest.param([_entry(1, secret=bytes(range(16)))], "32 random bytes", id="short"),
        pytest.param([_entry(1, secret=bytes(32))], "32 random bytes", id="zeros"),
        pytest.param([_entry(1, secret=b"please-change-me-please-change-m")], "not random", id="passphrase"),
        pytest.param([_entry(1, secret="ä" * 43)], "not a key file", id="not base64"),
        pytest.param([_entry(1, secret=7)], "not a key file", id="not text"),
        pytest.param([_entry(1, "aktiv")], "not a key file", id="unknown state"),
        pytest.param([_entry(1) | {"id": True}], "not a key file", id="id is no number"),
        pytest.param([_entry(1) | {"id": 65536}], "not a key file", id="id too large"),
        pytest.param([{"id": 1}], "not a key file", id="members missing"),
        pytest.param(["x"], "not a key file", id="not an object"),
    ],
)
def test_unfit_keys_are_refused(tmp_path, entries, message):
    with pytest.raises(KeyFileError, match=message):
        keyfile.load(_write(tmp_path / "keys.json", *entries))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"keys": 1}'])
def test_anything_else_is_not_a_key_file(tmp_path, text):
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(KeyFileError, match="not a key file"):
        keyfile.load(path)


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(KeyFileError, match="keys generate"):
        keyfile.load(tmp_path / "keys.json")
