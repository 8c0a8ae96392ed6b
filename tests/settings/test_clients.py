"""Clients that the operator configures, and the policy over those that come by themselves."""

import pytest

from sidecar.records import StaticClient

SECRET = "5up3rs3cretpartner-5up3rs3cretpartner"
PARTNER = {"name": "partner", "pool": "corp", "redirect_uris": ["https://partner.example/cb"], "client_secret": SECRET}


def test_a_configured_client_is_what_the_file_says(world):
    world.tree["clients"] = [{**PARTNER, "client_id": "Partner.1", "title": "The Partner", "scopes": ["notes.read"]}]
    client = StaticClient(
        id="Partner.1",
        pool="corp",
        title="The Partner",
        redirect_uris=("https://partner.example/cb",),
        secret=SECRET,
        scopes=("notes.read",),
    )
    assert world.load().directory.clients == {"Partner.1": client}
    assert SECRET not in repr(world.load())


def test_the_name_is_the_id_unless_it_has_one(world):
    world.tree["clients"] = [PARTNER]
    assert list(world.load().directory.clients) == ["partner"]


def test_its_secret_comes_from_a_file(world):
    (world.base / "partner.secret").write_text(f"{SECRET}\n")
    world.tree["clients"] = [{**PARTNER, "client_secret": None, "client_secret_file": "partner.secret"}]
    del world.tree["clients"][0]["client_secret"]
    assert world.load().directory.clients["partner"].secret == SECRET


@pytest.mark.parametrize(
    ("changes", "key", "text"),
    [
        pytest.param({"pool": "gone"}, "clients[partner].pool", "there is no pool gone", id="pool"),
        pytest.param({"client_secret": "short"}, "clients[partner].client_secret", "random letters", id="secret"),
        pytest.param({"client_secret": f"{SECRET}+"}, "clients[partner].client_secret", "random letters", id="plus"),
        pytest.param({"client_id": "dcr1-x"}, "clients[partner].client_id", "not begin with dcr", id="our ids"),
        pytest.param({"client_id": "https://a.example/x"}, "clients[partner].client_id", "letters", id="a document"),
        pytest.param({"name": "dcr"}, "clients[partner].client_id", "not begin with dcr", id="a name like our ids"),
        pytest.param({"redirect_uris": []}, "clients[partner].redirect_uris", "at least one", id="no redirect"),
        pytest.param({"redirect_uris": ["javascript:1"]}, "redirect_uris", "nobody|anybody", id="dangerous"),
        pytest.param({"redirect_uris": ["http://a.example/cb"]}, "redirect_uris", "anybody", id="no TLS"),
        pytest.param({"title": "a\u202eb"}, "clients[partner].title", "not shown", id="title"),
    ],
)
def test_a_configured_client_that_cannot_be_is_refused(world, changes, key, text):
    world.tree["clients"] = [PARTNER | changes]
    (refusal,) = [said for said in world.refusals() if "client" in said]
    assert key.replace("[partner]", f"[{changes.get('name', 'partner')}]") in refusal
    assert any(each in refusal for each in text.split("|"))


def test_two_clients_with_one_id_are_refused(world):
    world.tree["clients"] = [PARTNER, {**PARTNER, "name": "other", "client_id": "partner"}]
    assert "two clients have partner" in "".join(world.refusals())


def test_an_operator_may_send_a_partner_anywhere(world):
    """The policy for strangers is not for whom the operator names."""
    world.tree["registration"] = {"redirects": {"hosts": ["only.example"], "schemes": []}}
    world.tree["clients"] = [{**PARTNER, "redirect_uris": ["https://partner.example/cb", "partner.app://cb"]}]
    assert world.load().directory.clients["partner"].redirect_uris[1] == "partner.app://cb"


def test_documents_are_taken_unless_they_are_switched_off(world):
    assert world.load().documents.policy.allows("https://any.example/client.json")
    world.tree["registration"] = {"cimd": False}
    assert not world.load().documents.policy.allows("https://any.example/client.json")


def test_the_policy_reaches_both_kinds(world):
    world.tree["registration"] = {
        "scopes": {"dcr": ["a"], "cimd": ["b"]},
        "documents": {"hosts": ["*.good.example"], "denied_hosts": ["bad.good.example"], "internal_hosts": ["corp"]},
    }
    found = world.load()
    assert (found.registration.scopes, found.documents.scopes) == (("a",), ("b",))
    assert found.documents.internal_hosts == {"corp"}
    allows = found.documents.policy.allows
    assert [allows(f"https://{host}/c") for host in ("x.good.example", "bad.good.example", "good.example")] == [
        True,
        False,
        False,
    ]


def test_a_private_ca_must_be_there_and_be_for_somebody(world):
    world.tree["registration"] = {"documents": {"ca_file": "no.pem"}}
    assert ["No such file" in text or "there are none" in text for text in world.refusals()] == [True, True]
