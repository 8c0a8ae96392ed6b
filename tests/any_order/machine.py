"""The machine: what may happen, and what must come of it.

Safety at every step: a call goes through only with a token that is good now, at the one server that it was made for,
with an upstream token of the one person who signed in. Liveness too: what is good must work, whatever else went on.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, multiple, precondition, rule

from tests.any_order.checked import Checked
from tests.any_order.model import (
    ACCESS,
    GRACE,
    IDLE,
    WRONG_VERIFIERS,
    Access,
    App,
    Family,
    SignIn,
)
from tests.any_order.world import PEOPLE, SERVERS
from tests.endpoints.front import VERIFIER

REDIRECTS = ("https://app.example/cb", "https://other.example/cb")
replicas = st.sampled_from((0, 1))
people = st.sampled_from(PEOPLE)
theirs_or = st.none() | people
"""None: the one whose browser it is."""
moments = st.sampled_from(
    (1, 1, 1, 2, 2, 3, 30, 30, 59, 61, 61, 600, 1800, 1800, 3599, 3630, 86_400, 86_400, 29 * 86_400, 31 * 86_400)
)
one_of_them = st.integers(0, 5)
"""Among the families that are not over."""
done = st.booleans()
"""Of a fault of the store: whether what was asked for was done all the same."""


class AnyOrder(Checked):
    apps = Bundle("apps")
    sign_ins = Bundle("sign_ins")
    families = Bundle("families")

    # Clients ---------------------------------------------------------------------------------------------------------

    @initialize(target=apps)
    def a_first_app(self) -> App:
        return self.register(0, REDIRECTS[0], "none")

    @rule(
        target=apps,
        replica=replicas,
        redirect=st.sampled_from(REDIRECTS),
        method=st.sampled_from(("none", "client_secret_post")),
    )
    def register(self, replica: int, redirect: str, method: str) -> App:
        app = App(self.runner.run(self.world.register(replica, redirect, method)), redirect)
        self.all_apps.append(app)
        return app

    @rule(app=apps, replica=replicas)
    def delete(self, app: App, replica: int) -> None:
        """RFC 7592 2.3, by the client."""
        status = self.runner.run(self.world.delete(replica, app.document))
        assert status == (401 if app.deleted else 204), status
        app.deleted = True
        for family in self.all_families:
            if family.app is app:
                family.end(self.now, "its client was deleted")

    # Signing in ------------------------------------------------------------------------------------------------------

    @rule(target=sign_ins, app=apps, server=st.sampled_from(sorted(SERVERS)), person=people, replica=replicas)
    def ask(self, app: App, server: str, person: str, replica: int) -> Any:
        browser = self.world.browser(person, replica)
        page = self.runner.run(browser.ask(app.id, redirect_uri=app.redirect, resource=SERVERS[server].resource))
        if app.deleted:
            assert page.status == 400
            assert "Location" not in page.headers
            return multiple()
        assert page.status == 200
        return SignIn(app, server, person, self.now, form=page.form)

    @rule(sign_in=sign_ins, replica=replicas, who=theirs_or, decision=st.sampled_from(("approve", "approve", "deny")))
    def answer(self, sign_in: SignIn, replica: int, who: str | None, decision: str) -> None:
        """In the browser that shows the page, or in somebody else's, who has got hold of the form."""
        who = who or sign_in.person
        browser = self.world.browser(who, replica)
        answer = self.runner.run(browser.answer(sign_in.form, decision))
        if who != sign_in.person or sign_in.answered or sign_in.app.deleted or self.now >= sign_in.began + 600:
            self.refused(answer)
            return
        assert answer.status == 303, answer.text
        sign_in.answered = True
        if decision == "deny":
            self.told(sign_in.app, answer, "access_denied")
        else:
            assert answer.location.startswith(self.world.front.idp.url), answer.location
            sign_in.location, sign_in.approved = answer.location, self.now

    @rule(sign_in=sign_ins, user=people)
    def at_the_idp(self, sign_in: SignIn, user: str) -> None:
        if not sign_in.location:
            return
        self.world.front.idp.user = {"sub": user, "email": f"{user}@example.com", "email_verified": True}
        sign_in.back, sign_in.user = self.runner.run(self.world.front.at_idp(sign_in.location)), user

    @rule(target=families, sign_in=sign_ins, who=theirs_or, replica=replicas)
    def come_back(self, sign_in: SignIn, who: str | None, replica: int) -> Any:
        """To the browser that approved, or to another one: a link that somebody was sent."""
        who = who or sign_in.person
        if not sign_in.back:
            return multiple()
        answer = self.runner.run(self.world.browser(who, replica).come_back(sign_in.back))
        over = sign_in.returned or self.now >= sign_in.approved + 600
        if who != sign_in.person or over or sign_in.app.deleted:
            self.refused(answer)
            if who == sign_in.person:
                sign_in.returned = True
            return multiple()
        sign_in.returned = True
        if "error" in answer.query and self.offboarded.get(sign_in.user, 0) >= sign_in.began:
            self.told(sign_in.app, answer, "access_denied")
            return multiple()
        self.told(sign_in.app, answer)
        code = answer.query["code"]
        self.world.secrets.add(code)
        session = self.world.front.idp.sessions[-1]
        family = Family(sign_in.app, sign_in.server, sign_in.user, code, born=self.now, session=session)
        self.all_families.append(family)
        return family

    @rule(
        target=families,
        app=apps,
        server=st.sampled_from(sorted(SERVERS)),
        person=people,
        thief=st.none() | people,
        replica=replicas,
        times=st.sampled_from((1, 1, 2)),
    )
    def sign_in(self, app: App, server: str, person: str, thief: str | None, replica: int, *, times: int) -> Any:
        """All of it. A thief may have got hold of each link on the way, and be first; the page may be sent twice."""
        sign_in = self.ask(app, server, person, replica)
        if not isinstance(sign_in, SignIn):
            return multiple()
        if thief not in (None, person):
            self.answer(sign_in, replica, thief, "approve")
        for _ in range(times):
            self.answer(sign_in, replica, None, "approve")
        self.at_the_idp(sign_in, person)
        if thief not in (None, person):
            self.come_back(sign_in, thief, replica)
        family = self.come_back(sign_in, None, 1 - replica)
        self.redeem_rightly(family, replica)
        return family

    # Tokens ----------------------------------------------------------------------------------------------------------

    @rule(
        family=families, app=apps, replica=replicas, verifier=st.sampled_from((VERIFIER, VERIFIER, VERIFIER, "w" * 43))
    )
    def redeem(self, family: Family, app: App, replica: int, verifier: str) -> None:
        self.exchange(family, app, replica, verifier)

    @rule(family=families, replica=replicas)
    def redeem_rightly(self, family: Family, replica: int) -> None:
        self.exchange(family, family.app, replica, VERIFIER)

    def exchange(self, family: Family, app: App, replica: int, verifier: str) -> None:
        self.pass_time()
        fields = {"grant_type": "authorization_code", "code": family.code, "code_verifier": verifier}
        status, answer = self.runner.run(
            self.world.post(replica, "/token", app.credentials | fields | {"redirect_uri": family.app.redirect})
        )
        if app.deleted:
            assert (status, answer["error"]) == (401, "invalid_client")
            return
        good = family.over is None and family.used is None and app is family.app and verifier == VERIFIER
        if good:
            assert status == 200, answer
            family.used = self.now
            self.got(family, answer)
            return
        assert (status, answer["error"]) == (400, "invalid_grant")
        if family.over is not None or app is not family.app:
            return
        if family.used is None:
            family.wrong += 1
            if family.wrong == WRONG_VERIFIERS:
                family.end(self.now, "its code was guessed at")
        elif verifier == VERIFIER and self.now > family.used + 1:
            family.end(self.now, "its code was replayed")

    def got(self, family: Family, answer: dict[str, Any]) -> None:
        family.access.append(Access(answer["access_token"], self.now + ACCESS))
        family.refresh.append(answer["refresh_token"])
        family.refreshed_at = self.now

    @rule(
        family=families,
        app=apps,
        replica=replicas,
        back=st.sampled_from((0, 0, 1, 1, 2)),
        own=st.sampled_from((True, True, True, False)),
    )
    def refresh(self, family: Family, app: App, replica: int, back: int, *, own: bool) -> None:
        """With the newest refresh token, or the one `back` before it; by its own client, or by another."""
        self.pass_time()
        token = family.refresh[-1 - back] if back < len(family.refresh) else ""
        if not token:
            return
        app = family.app if own else app
        fields = {"grant_type": "refresh_token", "refresh_token": token}
        status, answer = self.runner.run(self.world.post(replica, "/token", app.credentials | fields))
        if app.deleted:
            assert (status, answer["error"]) == (401, "invalid_client")
            return
        if app is not family.app or family.over is not None:
            assert (status, answer["error"]) == (400, "invalid_grant")
            return
        if back:
            self.old_refresh_token(family, back, status, answer)
        elif self.now >= family.refreshed_at + IDLE:
            assert (status, answer["error"]) == (400, "invalid_grant")
            family.end(self.now, "it was idle for too long")
        elif status == 200:
            family.rotated = self.now
            self.got(family, answer)
        else:
            assert family.shaky, answer
            family.end(self.now, "the IdP ended it")

    @precondition(lambda self: self.living)
    @rule(
        which=one_of_them,
        replica=replicas,
        seconds=st.sampled_from((0, 1, 59, 60, 61)),
        back=st.sampled_from((1, 1, 2)),
    )
    def refresh_and_again(self, which: int, replica: int, seconds: int, back: int) -> None:
        """An older refresh token comes again: its answer was lost, or somebody stole it."""
        family = self.living[which % len(self.living)]
        self.refresh(family, family.app, replica, 0, own=True)
        self.time_passes(seconds)
        self.refresh(family, family.app, 1 - replica, back, own=True)

    @precondition(lambda self: self.living)
    @rule(which=one_of_them, replica=replicas, done=done)
    def redeem_without_an_answer(self, which: int, replica: int, done: bool) -> None:
        """The store stumbles at the exchange."""
        family = self.living[which % len(self.living)]
        self.pass_time()
        if family.over is not None or family.used is not None or family.app.deleted:
            return
        fields = {"grant_type": "authorization_code", "code": family.code, "code_verifier": VERIFIER}
        with self.stumbling("redeem", done=done):
            self.unavailable(replica, "/token", family.app, fields | {"redirect_uri": family.app.redirect})
        if done:
            family.used = self.now

    @precondition(lambda self: self.living)
    @rule(which=one_of_them, replica=replicas, done=done)
    def refresh_without_an_answer(self, which: int, replica: int, done: bool) -> None:
        family = self.living[which % len(self.living)]
        self.pass_time()
        if not self.refreshable(family) or family.shaky:
            return
        with self.stumbling("rotate", done=done):
            self.unavailable(
                replica, "/token", family.app, {"grant_type": "refresh_token", "refresh_token": family.refresh[-1]}
            )
        if done:
            family.rotated = family.refreshed_at = self.now
            family.refresh.append("")

    @precondition(lambda self: self.living)
    @rule(which=one_of_them, replica=replicas, done=done)
    def revoke_without_an_answer(self, which: int, replica: int, done: bool) -> None:
        family = self.living[which % len(self.living)]
        self.pass_time()
        if not self.refreshable(family):
            return
        with self.stumbling("revoke", done=done):
            self.unavailable(replica, "/revoke", family.app, {"token": family.refresh[-1]})
        if done:
            family.end(self.now, "it was revoked, and nobody was told")

    @precondition(lambda self: self.living)
    @rule(which=one_of_them)
    def redeem_twice_at_once(self, which: int) -> None:
        """At two replicas: one gets the tokens, and loses nothing because of the other."""
        family = self.living[which % len(self.living)]
        self.pass_time()
        if family.over is not None or family.used is not None or family.app.deleted:
            return
        fields = {"grant_type": "authorization_code", "code": family.code, "code_verifier": VERIFIER}
        answers = self.at_both("/token", family.app.credentials | fields)
        assert sorted(status for status, _ in answers) == [200, 400]
        family.used = self.now
        self.got(family, next(answer for status, answer in answers if status == 200))

    @precondition(lambda self: self.living)
    @rule(which=one_of_them)
    def refresh_twice_at_once(self, which: int) -> None:
        """Both get the same tokens, and the IdP is asked once at most."""
        family = self.living[which % len(self.living)]
        self.pass_time()
        if not self.refreshable(family) or family.shaky:
            return
        before = self.renewals()
        fields = {"grant_type": "refresh_token", "refresh_token": family.refresh[-1]}
        answers = self.at_both("/token", family.app.credentials | fields)
        assert [status for status, _ in answers] == [200, 200], answers
        assert len({answer["refresh_token"] for _, answer in answers}) == 1
        assert self.renewals() - before <= 1
        family.rotated = self.now
        self.got(family, answers[0][1])

    def refreshable(self, family: Family) -> bool:
        good = family.over is None and not family.app.deleted and family.refresh and family.refresh[-1]
        return bool(good) and self.now < family.refreshed_at + IDLE

    def renewals(self) -> int:
        return sum(seen.form.get("grant_type") == "refresh_token" for seen in self.world.front.idp.seen("token"))

    def at_both(self, path: str, fields: dict[str, str]) -> list[tuple[int, dict[str, Any]]]:
        async def both() -> list[tuple[int, dict[str, Any]]]:
            return await asyncio.gather(*(self.world.post(replica, path, fields) for replica in (0, 1)))

        return self.runner.run(both())

    @contextmanager
    def stumbling(self, verb: str, *, done: bool) -> Iterator[None]:
        self.world.store.next(verb, done=done)
        yield
        assert self.world.store.steady(), f"{verb} was not called"

    def unavailable(self, replica: int, path: str, app: App, fields: dict[str, str]) -> None:
        status, answer = self.runner.run(self.world.post(replica, path, app.credentials | fields))
        assert (status, answer["error"]) == (503, "temporarily_unavailable"), answer

    def old_refresh_token(self, family: Family, back: int, status: int, answer: dict[str, Any]) -> None:
        if back == 1 and self.now <= family.rotated + GRACE:
            assert status == 200, answer
            if not family.refresh[-1]:
                family.refresh[-1] = answer["refresh_token"]
                family.access.append(Access(answer["access_token"], family.rotated + ACCESS))
            assert (answer["access_token"], answer["refresh_token"]) == (family.access[-1].text, family.refresh[-1])
            return
        assert (status, answer["error"]) == (400, "invalid_grant")
        family.end(self.now, "an old refresh token came again")

    @rule(family=families, app=apps, replica=replicas, which=st.sampled_from(("access", "refresh")), own=st.booleans())
    def revoke(self, family: Family, app: App, replica: int, which: str, own: bool) -> None:
        self.pass_time()
        if not family.refresh or not family.refresh[-1]:
            return
        app = family.app if own else app
        token = family.refresh[-1] if which == "refresh" else family.access[-1].text
        status, answer = self.runner.run(self.world.post(replica, "/revoke", app.credentials | {"token": token}))
        if app.deleted:
            assert (status, answer["error"]) == (401, "invalid_client")
            return
        assert status == 200
        if app is not family.app:
            return
        if which == "refresh":
            family.end(self.now, "it was revoked")
        elif family.access[-1].revoked is None:
            family.access[-1].revoked = self.now

    # Calls -----------------------------------------------------------------------------------------------------------

    @rule(
        family=families,
        replica=replicas,
        server=st.sampled_from(sorted(SERVERS)),
        back=st.sampled_from((0, 0, 0, 1, 2)),
    )
    def call(self, family: Family, replica: int, server: str, back: int) -> None:
        self.pass_time()
        if back < len(family.access):
            self.runner.run(self.called(family, family.access[-1 - back], replica, server))

    @rule(family=families)
    def call_everywhere(self, family: Family) -> None:
        """So that every replica remembers what it may."""
        self.pass_time()
        for token in family.access[-2:]:
            for replica in (0, 1):
                self.runner.run(self.called(family, token, replica, family.server))

    @rule(kind=st.sampled_from(("code", "refresh", "registration")), family=families, replica=replicas)
    def call_with_something_else(self, kind: str, family: Family, replica: int) -> None:
        """Nothing but an access token opens the door."""
        others = {
            "code": family.code,
            "refresh": family.refresh[-1] if family.refresh else family.code,
            "registration": family.app.document["registration_access_token"],
        }
        status, _ = self.runner.run(self.world.call(replica, family.server, others[kind]))
        assert status == 401

    # The world -------------------------------------------------------------------------------------------------------

    @rule(seconds=moments)
    def time_passes(self, seconds: int) -> None:
        self.world.front.clock.advance(seconds)
        self.pass_time()

    @rule(replica=replicas)
    def restart(self, replica: int) -> None:
        self.runner.run(self.world.start(replica))

    @precondition(lambda self: self.living)
    @rule(which=one_of_them)
    def the_idp_ends(self, which: int) -> None:
        """From now on the IdP renews nothing for it. Until the next renewal nobody here can know."""
        family = self.living[which % len(self.living)]
        assert family.session
        family.session.dead = True
        family.shaky = True

    @rule(user=people, replica=replicas)
    def offboard(self, user: str, replica: int) -> None:
        users = self.world.replicas[replica].services.operators.users
        self.runner.run(users.offboard("corp", user, bar=False, dry_run=False))
        self.pass_time()
        for family in self.all_families:
            if family.user == user:
                family.end(self.now, "its user was offboarded")
        self.offboarded[user] = self.now
        self.time_passes(1)
