"""The demo's data folder and ports: what is refused, and with which words."""

from pathlib import Path

import pytest

from sidecar import settings
from sidecar.demo.folder import CannotStart, opened
from sidecar.demo.ports import listen, port_of, require_free
from tests.fakes.entropy import SeededEntropy


def test_a_path_too_long_for_a_socket_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 90)
    with pytest.raises(CannotStart, match="--data"), opened(long):
        pass
    assert not long.exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotStart, match="cannot write to"), opened(tmp_path / "file" / "data"):
        pass


def test_one_user_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path / "d"), pytest.raises(CannotStart, match="another demo is using"), opened(tmp_path / "d"):
        pass
    with opened(tmp_path / "d"):
        pass


def test_the_client_secret_is_made_once(tmp_path: Path) -> None:
    with opened(tmp_path / "d") as folder:
        first = folder.client_secret(SeededEntropy(1))
        assert folder.client_secret(SeededEntropy(2)) == first
        assert len(first) == 43


def test_the_operators_token_is_made_once(tmp_path: Path) -> None:
    with opened(tmp_path / "d") as folder:
        first = folder.operator_token(SeededEntropy(1))
        assert folder.operator_token(SeededEntropy(2)) == first
        assert folder.admin_token.stat().st_mode & 0o077 == 0


def test_a_wrong_settings_file_says_which_key(tmp_path: Path) -> None:
    """The file the demo writes is a configuration like any other."""
    with opened(tmp_path / "d") as folder:
        folder.write_settings({"servers": [], "colour": "red"})
        with pytest.raises(settings.SettingsError, match="colour"):
            settings.load(folder.settings, {})


def test_a_taken_port_is_named() -> None:
    with listen() as taken, pytest.raises(CannotStart, match=f"port {port_of(taken)} is taken"):
        require_free(port_of(taken))


def test_a_wanted_port_that_is_taken_gives_another() -> None:
    with listen() as taken, listen(port_of(taken)) as other:
        assert port_of(other) != port_of(taken)


def test_a_port_beyond_the_last_one_gives_another() -> None:
    with listen(65536) as listener:
        assert 0 < port_of(listener) < 65536
