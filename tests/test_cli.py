"""The command, as people run it: what it prints where, and how it exits."""

import json
import stat

import pytest

from sidecar import __version__, cli
from sidecar.cli import output

_CONFIG = """
servers:
  - {name: notes, resource: https://mcp.example.com/mcp, origin: "http://127.0.0.1:3000", pool: corp}
pools:
  - {name: corp, id: corp-1, provider: oidc, issuer: https://login.example.com, client_id: c, client_secret: s}
store: {url: "redis://127.0.0.1:6379/0"}
"""


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            cli.main([*map(str, arguments)])
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err

    return run


@pytest.fixture
def config(tmp_path, run):
    run("keys", "generate", tmp_path / "keys.json")
    path = tmp_path / "sidecar.yaml"
    path.write_text(_CONFIG)
    return path


def test_the_version(run):
    assert run("--version") == (0, f"dcr-sidecar {__version__}\n", "")


def test_keys_are_made_once(run, tmp_path):
    path = tmp_path / "keys.json"
    assert run("keys", "generate", path)[0] == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    made = path.read_bytes()
    code, _, err = run("keys", "generate", path)
    assert (code, path.read_bytes()) == (2, made)
    assert "left alone" in err


def test_a_right_configuration_is_summed_up(run, config):
    code, out, err = run("config", "check", config)
    assert (code, out) == (0, "")
    assert "ok: notes: https://mcp.example.com/mcp -> http://127.0.0.1:3000" in err


@pytest.mark.parametrize("command", [("config", "check"), ("serve", "--config"), ("envoy-config", "--config")])
def test_a_wrong_configuration_is_one_message_and_exit_2(run, config, command):
    config.write_text(_CONFIG.replace("origin:", "orign:"))
    code, out, err = run(*command, config)
    assert (code, out) == (2, "")
    assert "error: servers[notes].orign: is not a key; did you mean `origin`?" in err
    assert "Traceback" not in err


def test_a_configuration_that_is_not_there_is_exit_2(run, tmp_path):
    code, _, err = run("config", "check", tmp_path / "none.yaml")
    assert code == 2
    assert "cannot be read" in err


@pytest.mark.parametrize("command", ["serve", "envoy-config"])
def test_a_forgotten_file_is_told(run, command):
    code, _, err = run(command)
    assert code == 2
    assert "warning: no file was named: use --config or DCR_SIDECAR_CONFIG" in err
    assert "error: servers: is required" in err


def test_the_check_finds_the_file_as_the_other_commands_do(run, config, monkeypatch):
    monkeypatch.setenv("DCR_SIDECAR_CONFIG", str(config))
    assert run("config", "check")[0] == 0


@pytest.mark.parametrize("option", ["--config", "-c"])
def test_the_check_takes_the_file_as_the_other_commands_do(run, config, option):
    assert run("config", "check", option, config)[0] == 0


def test_an_output_that_cannot_be_written_is_told(run, config, tmp_path):
    code, _, err = run("envoy-config", "--config", config, "--output", tmp_path / "none" / "envoy.yaml")
    assert (code, "Errno" in err) == (2, False)
    assert "envoy.yaml cannot be written: No such file or directory" in err


def test_the_environment_goes_over_the_file(run, config, monkeypatch):
    monkeypatch.setenv("DCR_SIDECAR_STORE__URL", "nonsense")
    code, _, err = run("config", "check", config)
    assert code == 2
    assert "store.url" in err


def test_warnings_are_told(run, config):
    config.write_text(_CONFIG.replace("pool: corp", "pool: gone"))
    code, _, err = run("config", "check", config)
    assert code == 0
    assert "warning: servers[notes].pool: no pool gone here" in err


def test_the_schema_is_json_on_stdout(run):
    code, out, _ = run("config", "schema")
    assert code == 0
    assert json.loads(out)["additionalProperties"] is False


def test_envoys_configuration_needs_no_secret(run, config):
    (config.parent / "keys.json").unlink()
    config.write_text(_CONFIG.replace("client_secret: s", "client_secret_file: none"))
    code, out, _ = run("envoy-config", "--config", config)
    assert code == 0
    assert "ext_authz" in out


def test_envoys_configuration_can_go_to_a_file(run, config, tmp_path):
    code, out, _ = run("envoy-config", "--config", config, "--format", "fragment", "--output", tmp_path / "envoy.yaml")
    assert (code, out) == (0, "")
    assert "ext_authz" in (tmp_path / "envoy.yaml").read_text()


@pytest.mark.parametrize("arguments", [("frob",), ("serve", "--confg", "x"), ("envoy-config", "--format", "x")])
def test_a_wrong_command_line_is_exit_2(run, arguments):
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize("say", [output.complain, output.warn, output.done])
def test_a_message_that_holds_other_peoples_words_does_nothing_to_the_terminal(capsys, say):
    """Whoever answers where the admin API should be chooses the words that the command repeats."""
    say("\x1b]0;owned\x07\x1b[2Jred\u202e\rx\nsecond")
    said = capsys.readouterr().err
    assert said.count("\n") == said.count(": ") == 3
    assert said.replace("\n", "").isprintable()
