"""The key file."""

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from sidecar import keyfile
from sidecar.keyfile import KeyFileError
from sidecar.sealing import KeyState, Sealer, SealError


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


# A key's life -------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path, entropy, clock):
    """A file with one active key."""
    made = tmp_path / "keys.json"
    keyfile.generate(made, entropy=entropy, clock=clock)
    return made


def _states(path):
    return {key.id: key.state.value for key in keyfile.load(path).keys}


def _add(path, entropy, clock):
    return keyfile.add(path, entropy=entropy, clock=clock)


@pytest.mark.req(193)
def test_a_key_goes_from_pending_to_active_to_open_to_retired(path, entropy, clock):
    clock.advance(7)
    assert _add(path, entropy, clock) == 2
    assert _states(path) == {1: "active", 2: "pending"}
    assert keyfile.load(path).keys[1].created_at == clock()
    assert keyfile.activate(path, 2) == 1
    assert _states(path) == {1: "open", 2: "active"}
    keyfile.retire(path, 1)
    assert _states(path) == {1: "retired", 2: "active"}


@pytest.mark.req(193)
def test_at_every_step_a_replica_with_the_file_of_the_step_before_opens_what_the_other_makes(path, entropy, clock):
    """Restarting replicas one by one means that two neighbouring files are in use at a time."""
    rings = [keyfile.load(path)]
    for step in (lambda: _add(path, entropy, clock), lambda: keyfile.activate(path, 2)):
        step()
        rings.append(keyfile.load(path))
        behind, ahead = (Sealer(ring, "anything", entropy) for ring in rings[-2:])
        assert ahead.open(behind.seal(b"x", b""), b"") == b"x"
        assert behind.open(ahead.seal(b"x", b""), b"") == b"x"
    assert (
        Sealer(rings[0], "anything", entropy).seal(b"x", b"")[:2]
        != Sealer(rings[2], "anything", entropy).seal(b"x", b"")[:2]
    )


def test_a_retired_keys_secret_is_gone_and_its_id_is_not_given_again(path, entropy, clock):
    secret = json.loads(path.read_text())["keys"][0]["secret"]
    sealed = Sealer(keyfile.load(path), "anything", entropy).seal(b"x", b"")
    _add(path, entropy, clock)
    keyfile.activate(path, 2)
    keyfile.retire(path, 1)
    assert secret not in path.read_text()
    with pytest.raises(SealError):
        Sealer(keyfile.load(path), "anything", entropy).open(sealed, b"")
    _add(path, entropy, clock)
    keyfile.retire(path, 3)
    assert _add(path, entropy, clock) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda path: keyfile.activate(path, 1), "key 1 is active, not pending", id="activate active"),
        pytest.param(lambda path: keyfile.activate(path, 3), "key 3 is open, not pending", id="activate open"),
        pytest.param(lambda path: keyfile.activate(path, 4), "key 4 is retired, not pending", id="activate retired"),
        pytest.param(lambda path: keyfile.activate(path, 9), "no key 9; there is: 1, 2, 3, 4", id="activate unknown"),
        pytest.param(lambda path: keyfile.retire(path, 1), "add and activate another one first", id="retire active"),
        pytest.param(lambda path: keyfile.retire(path, 4), "key 4 is retired, not open", id="retire retired"),
        pytest.param(lambda path: keyfile.retire(path, 9), "no key 9", id="retire unknown"),
        pytest.param(
            lambda path: keyfile.add(path, entropy=os.urandom, clock=int), "key 2 is pending already", id="add twice"
        ),
    ],
)
def test_a_step_that_is_not_the_next_is_refused_and_changes_nothing(tmp_path, change, message):
    entries = [_entry(1), _entry(2, "pending"), _entry(3, "open"), {"id": 4, "state": "retired", "created_at": 1}]
    path = _write(tmp_path / "keys.json", *entries)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match=message):
        change(path)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])


def test_after_the_last_id_there_is_none(tmp_path, entropy, clock):
    path = _write(tmp_path / "keys.json", _entry(65535, secret=bytes(range(32))))
    with pytest.raises(KeyFileError, match="no key can come after key 65535"):
        _add(path, entropy, clock)


def test_a_change_that_would_leave_no_usable_file_is_refused(path, clock):
    """As if the source of randomness stood still."""
    stuck = json.loads(path.read_text())["keys"][0]["secret"]
    before = path.read_bytes()
    for material in (bytes(32), urlsafe_b64decode(stuck + "=")):
        with pytest.raises(KeyFileError, match=r"keys\.json: "):
            keyfile.add(path, entropy=lambda _, material=material: material, clock=clock)
    assert path.read_bytes() == before


def test_the_file_keeps_its_mode_and_is_replaced_not_rewritten(path, entropy, clock):
    path.chmod(0o640)
    with path.open() as reading:
        before = path.read_text()
        _add(path, entropy, clock)
        assert reading.read() == before, "whoever reads meanwhile reads one whole file"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_file_keeps_its_owner(path, entropy, clock):
    os.chown(path, 12345, 23456)
    _add(path, entropy, clock)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_a_symbolic_link_stays_one(path, entropy, clock, tmp_path):
    link = tmp_path / "elsewhere" / "link.json"
    link.parent.mkdir()
    link.symlink_to(path)
    _add(link, entropy, clock)
    assert link.is_symlink()
    assert _states(path) == {1: "active", 2: "pending"}


def test_two_commands_at_once_do_not_undo_each_other(path, entropy, clock):
    other = path.with_name("keys.json.new")
    other.write_text("at work")
    with pytest.raises(KeyFileError, match="another command is at work"):
        _add(path, entropy, clock)
    assert other.read_text() == "at work"
    other.unlink()
    assert _add(path, entropy, clock) == 2


def test_a_folder_that_cannot_be_written_leaves_the_file_as_it_was(path, tmp_path, entropy, clock):
    """Or a name that is too long for the file beside it."""
    long = tmp_path / ("k" * 253)
    path.rename(long)
    before = long.read_bytes()
    with pytest.raises(KeyFileError, match="cannot be written: File name too long"):
        _add(long, entropy, clock)
    assert long.read_bytes() == before


def test_a_key_that_is_required_in_a_state_is(path):
    keyfile.require(path, 1, KeyState.ACTIVE, KeyState.OPEN)
    with pytest.raises(KeyFileError, match="key 1 is active, not pending or open"):
        keyfile.require(path, 1, KeyState.PENDING, KeyState.OPEN)
