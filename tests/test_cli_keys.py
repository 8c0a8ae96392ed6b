"""`dcr-sidecar keys`, as an operator uses it: what each step does, says, and refuses."""

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sidecar import cli, keyfile


@pytest.fixture
def run(capsys, monkeypatch):
    def run(*arguments, answer=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        with pytest.raises(SystemExit) as left:
            cli.main(["keys", *map(str, arguments)])
        printed = capsys.readouterr()
        return left.value.code, printed.out, printed.err

    return run


@pytest.fixture
def path(run, tmp_path):
    made = tmp_path / "keys.json"
    assert run("generate", made)[0] == 0
    return made


def states(path):
    return {key.id: key.state.value for key in keyfile.load(path).keys}


@pytest.mark.req(193)
def test_a_rotation_step_by_step(run, path):
    """Each step says the next one."""
    code, _, err = run("add", path)
    assert (code, states(path)) == (0, {1: "active", 2: "pending"})
    assert "give every replica this file, and restart them one by one" in err
    assert f"then `dcr-sidecar keys activate {path} 2`" in err
    code, _, err = run("activate", path, 2, "--yes")
    assert (code, states(path)) == (0, {1: "open", 2: "active"})
    assert "give every replica this file, and restart them one by one" in err
    code, _, err = run("retire", path, 1, "--unseen", "--yes")
    assert (code, states(path)) == (0, {1: "retired", 2: "active"})
    assert "give every replica this file, and restart them one by one" in err


def test_the_list_says_id_state_and_age_and_no_secret(run, path):
    run("add", path)
    secrets = [entry["secret"] for entry in json.loads(path.read_text())["keys"]]
    code, out, _ = run("list", path)
    assert (code, [line.split() for line in out.splitlines()]) == (
        0,
        [["id", "state", "age"], ["1", "active", "just", "made"], ["2", "pending", "just", "made"]],
    )
    code, as_json, _ = run("list", path, "--json")
    rows = json.loads(as_json)["keys"]
    assert [(row["id"], row["state"]) for row in rows] == [(1, "active"), (2, "pending")]
    assert not [secret for secret in secrets if secret in out + as_json]


@pytest.mark.parametrize(
    ("seconds", "age"),
    [(30, "just made"), (60, "1 minute"), (7100, "1 hour"), (7200, "2 hours"), (86400, "1 day"), (864000, "10 days")],
)
def test_an_age_is_told_in_its_largest_unit(run, path, seconds, age):
    tree = json.loads(path.read_text())
    tree["keys"][0]["created_at"] -= seconds
    path.write_text(json.dumps(tree))
    assert run("list", path)[1].splitlines()[1].split(maxsplit=2)[2].strip() == age


@pytest.mark.parametrize("answer", ["n\n", "\n", ""], ids=["no", "nothing", "nobody there"])
def test_what_cannot_be_taken_back_is_asked_first(run, path, answer):
    run("add", path)
    code, _, err = run("activate", path, 2, answer=answer)
    assert (code, states(path)) == (1, {1: "active", 2: "pending"})
    assert "Has every replica been restarted with key 2?" in err
    assert "a replica that was not restarted since key 2 was added refuses" in err
    code, _, err = run("retire", path, 2, "--unseen", answer=answer)
    assert (code, states(path)) == (1, {1: "active", 2: "pending"})
    assert "Remove key 2 for good?" in err


def test_a_yes_is_an_answer(run, path):
    run("add", path)
    assert run("activate", path, 2, answer="y\n")[0] == 0
    assert run("retire", path, 1, "--unseen", answer="y\n")[0] == 0
    assert states(path) == {1: "retired", 2: "active"}


def test_nothing_is_retired_unseen_unless_told_so(run, path):
    run("add", path)
    code, _, err = run("retire", path, 2, "--yes")
    assert (code, states(path)) == (2, {1: "active", 2: "pending"})
    assert "no file was named: use --config" in err
    assert "`--unseen` retires key 2 all the same" in err


# With a sidecar to ask ------------------------------------------------------------------------------------------------

TOKEN = "fake-admin-token-of-the-tests-0123456789"


@pytest.fixture
def asked(path, tmp_path):
    """What names a sidecar whose admin API gives `answer`, and shuts out whoever has another token."""
    answer = {
        "keys": [
            {"id": 1, "state": "open", "created_at": 1, "clients": 1},
            {"id": 2, "state": "active", "created_at": 2, "clients": 41},
        ],
        "clients_read": 42,
        "complete": True,
    }

    class Admin(BaseHTTPRequestHandler):
        def do_GET(self):
            known = (self.path, self.headers["Authorization"]) == ("/admin/keys", f"Bearer {TOKEN}")
            body = json.dumps(answer if known else {"error_description": "no"}).encode()
            self.send_response(200 if known else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    token = tmp_path / "token"
    token.write_text(TOKEN)
    with ThreadingHTTPServer(("127.0.0.1", 0), Admin) as server:
        threading.Thread(target=server.serve_forever).start()
        yield answer, ("--admin", f"http://127.0.0.1:{server.server_port}", "--token-file", token)
        server.shutdown()


def rotated(run, path):
    run("add", path)
    run("activate", path, 2, "--yes")


def test_the_list_says_how_many_clients_each_key_made(run, path, asked):
    answer, where = asked
    rotated(run, path)
    run("add", path)
    _, out, _ = run("list", path, *where)
    rows = [line.split() for line in out.splitlines()]
    assert [rows[0], *([row[0], row[-1]] for row in rows[1:])] == [
        ["id", "state", "age", "clients"],
        ["1", "1"],
        ["2", "41"],
        ["3", "?"],
    ]
    keys = json.loads(run("list", path, "--json", *where)[1])["keys"]
    assert [key.get("clients") for key in keys] == [1, 41, None]
    answer["complete"] = False
    assert "at least 41" in run("list", path, *where)[1]


def test_the_list_does_without_a_sidecar_that_does_not_answer(run, path, asked, tmp_path):
    _, (admin, url, option, _) = asked
    (tmp_path / "token").write_text("another")
    code, out, err = run("list", path, admin, url, option, tmp_path / "token")
    assert (code, out.split()) == (0, ["id", "state", "age", "1", "active", "just", "made"])
    assert "warning: no (401)" in err


@pytest.mark.req(193)
def test_retiring_says_first_what_it_ends(run, path, asked):
    answer, where = asked
    rotated(run, path)
    code, _, err = run("retire", path, 1, *where, answer="n\n")
    assert (code, states(path)) == (1, {1: "open", 2: "active"})
    assert err.index("this ends 1 known client: they must register again") < err.index("Remove key 1 for good?")
    answer["complete"] = False
    code, _, err = run("retire", path, 1, *where, answer="y\n")
    assert (code, states(path)) == (0, {1: "retired", 2: "active"})
    assert "this ends at least 1 known client" in err


def test_a_key_that_the_sidecar_still_works_with_is_not_retired(run, path, asked):
    """The file has come further than the replicas."""
    answer, where = asked
    rotated(run, path)
    answer["keys"][0]["state"], answer["keys"][1]["state"] = "active", "pending"
    code, _, err = run("retire", path, 1, "--yes", *where)
    assert (code, states(path)) == (2, {1: "open", 2: "active"})
    assert "still works with key 1: restart all replicas first" in err


def test_a_sidecar_that_does_not_answer_retires_nothing(run, path, asked, tmp_path):
    _, where = asked
    rotated(run, path)
    (tmp_path / "token").write_text("another")
    code, _, err = run("retire", path, 1, "--yes", *where)
    assert (code, states(path)) == (2, {1: "open", 2: "active"})
    assert "`--unseen` retires key 1 all the same" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("activate", 1), "key 1 is active, not pending", id="activate the active"),
        pytest.param(("activate", 7), "no key 7; there is: 1, 2", id="activate an unknown"),
        pytest.param(("retire", 1), "key 1 is active", id="retire the active"),
        pytest.param(("retire", 7), "no key 7", id="retire an unknown"),
        pytest.param(("add",), "key 2 is pending already", id="add a second"),
    ],
)
def test_a_wrong_step_is_told_without_a_question_and_exit_2(run, path, arguments, message):
    run("add", path)
    command, *number = arguments
    code, out, err = run(command, path, *number)
    assert (code, out, states(path)) == (2, "", {1: "active", 2: "pending"})
    assert f"error: {path}" in err
    assert message in err
    assert "?" not in err


@pytest.mark.parametrize("command", [("list",), ("add",), ("activate", 1), ("retire", 1)])
def test_a_file_that_is_not_there_says_how_to_make_it(run, tmp_path, command):
    name, *number = command
    code, _, err = run(name, tmp_path / "none.json", *number)
    assert (code, "keys generate" in err) == (2, True)
    assert list(tmp_path.iterdir()) == []
