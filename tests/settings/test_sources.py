"""The YAML file and the environment, as one tree."""

import pytest

from sidecar import settings
from sidecar.settings.sources import overlay, read


def test_the_environment_goes_over_the_file():
    tree = {"store": {"url": "redis://a", "prefix": "x"}}
    assert overlay(tree, {"DCR_SIDECAR_STORE__URL": "redis://b", "STORE__PREFIX": "y"}) == {
        "store": {"url": "redis://b", "prefix": "x"}
    }
    assert tree["store"]["url"] == "redis://a"


def test_what_the_file_leaves_out_can_come_from_the_environment():
    assert overlay({"admin": None}, {"DCR_SIDECAR_ADMIN__TOKEN_FILE": "t"}) == {"admin": {"token_file": "t"}}


@pytest.mark.parametrize("step", ["MY_NOTES", "1"])
def test_an_entry_of_a_list_goes_by_its_name_or_number(step):
    tree = {"servers": [{"name": "a"}, {"name": "my-notes"}]}
    merged = overlay(tree, {f"DCR_SIDECAR_SERVERS__{step}__POOL": "corp"})
    assert merged["servers"] == [{"name": "a"}, {"name": "my-notes", "pool": "corp"}]


def test_lists_and_mappings_are_json_and_all_else_is_text():
    merged = overlay(
        {}, {"DCR_SIDECAR_A": '["x", 1]', "DCR_SIDECAR_B": "[x", "DCR_SIDECAR_C": "17", "DCR_SIDECAR_D": ""}
    )
    assert merged == {"a": ["x", 1], "b": "[x", "c": "17", "d": ""}


@pytest.mark.parametrize(
    ("key", "other"), [("CLIENT_SECRET", "client_secret_file"), ("CLIENT_SECRET_FILE", "client_secret")]
)
def test_a_secret_from_the_environment_replaces_the_files_other_way_of_saying_it(key, other):
    merged = overlay({"pools": [{"name": "corp", other: "old"}]}, {f"DCR_SIDECAR_POOLS__CORP__{key}": "new"})
    assert merged["pools"] == [{"name": "corp", key.lower(): "new"}]


@pytest.mark.parametrize(
    "name",
    [
        "DCR_SIDECAR_CONFIG",
        "DCR_SIDECAR_CHECK_SECRET",
        "DCR_SIDECAR_SERVICE_HOST",
        "DCR_SIDECAR_SERVICE_PORT",
        "DCR_SIDECAR_SERVICE_PORT_HTTP",
        "DCR_SIDECAR_PORT",
        "DCR_SIDECAR_PORT_9400_TCP",
        "DCR_SIDECAR_PORT_9400_TCP_ADDR",
        "DCR_SIDECAR_OPS_PORT_9403_TCP_PROTO",
    ],
)
def test_variables_of_others_are_left_alone(name):
    """Kubernetes names a Service's address in every pod beside it; they are no keys of ours."""
    assert overlay({}, {name: "tcp://10.0.0.1:9400"}) == {}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("DCR_SIDECAR_SERVERS__OTHER__POOL", id="no such entry"),
        pytest.param("DCR_SIDECAR_SERVERS__7__POOL", id="no such number"),
        pytest.param("DCR_SIDECAR_SERVERS__NOTES", id="a whole entry"),
        pytest.param("DCR_SIDECAR_REPLICAS__X", id="below a value"),
        pytest.param("DCR_SIDECAR_STORE__", id="no key"),
        pytest.param("DCR_SIDECAR_", id="nothing"),
        pytest.param("DCR_SIDECAR___X", id="no section"),
    ],
)
def test_a_variable_that_leads_nowhere_is_refused_by_name(name):
    with pytest.raises(settings.SettingsError, match=name):
        overlay({"servers": [{"name": "notes"}], "replicas": 1}, {name: "x"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a: [", "not valid YAML, line", id="broken"),
        pytest.param("a: 1\nb: 2\na: 3\n", "line 3: a key stands twice", id="double key"),
        pytest.param("- a\n", "must be a mapping", id="a list"),
        pytest.param("!!python/object:os.system {}", "not valid YAML", id="a tag"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, text, message):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(settings.SettingsError, match=message):
        read(path)


def test_messages_about_yaml_show_nothing_of_the_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("client_secret: 'canary\nb: 1\n")
    with pytest.raises(settings.SettingsError) as refused:
        read(path)
    assert "canary" not in str(refused.value)


def test_a_missing_file_is_refused_and_an_empty_one_is_empty(tmp_path):
    with pytest.raises(settings.SettingsError, match="cannot be read"):
        read(tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert read(tmp_path / "empty.yaml") == {}
