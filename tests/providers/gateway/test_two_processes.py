"""Two web processes, and a third one that makes the changes: what it takes away stops at once in both."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from providers.credentials import change_credential, current_credential
from providers.egress_grants import grant_egress, withdraw_egress
from providers.model_entries import delete_entry, set_entry_enabled
from providers.registration import set_enabled
from tenants.actors import SYSTEM
from tenants.key_limits import Limits
from tenants.keys import change_key, revoke_key, rotate_key
from tenants.members import change_role, remove_member
from tenants.models import ApiKey, Membership
from tenants.people import set_active
from tenants.registration import resume_tenant, suspend_tenant
from tests.factories import make_team
from tests.providers.gateway.conftest import HELLO
from tests.providers.gateway.processes import web_processes
from tests.providers.rows import add_model, add_provider
from tests.waiting import wait_for

# Side by side the tests would each start processes of their own.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("two web processes")]


@pytest.fixture(scope="module")
def web(django_db_setup, redis_url, tmp_path_factory):
    from django.conf import settings

    settings.REDIS_URL, before = redis_url, settings.REDIS_URL
    with web_processes(2, tmp_path_factory.mktemp("web"), BREAKER_FAULTS="3", SLOW_READER_SECONDS="2") as running:
        yield running
    settings.REDIS_URL = before


class Acme:
    """acme's calls to both processes at once."""

    def __init__(self, web, fake):
        self.team = make_team("acme")
        self.web = web
        self.fake = fake
        self.grant = grant_egress(by=SYSTEM, cidr="127.0.0.0/8", tenant=self.team.tenant)
        self.provider = add_provider(self.team, fake.url, secrets={"api_key": "old-upstream-key"}, max_concurrency=None)
        self.models = 0

    def model(self):
        """A fresh one."""
        self.models += 1
        return add_model(self.provider, f"gpt-{self.models}", upstream_name="gpt-3.5-turbo")

    def key_of(self, role):
        """A key that follows the role of a new member, and the membership."""
        person = self.team.person(role, f"person-{ApiKey.objects.for_tenant(self.team.id).count()}@acme.example")
        return self.team.key_of(person), Membership.objects.for_tenant(self.team.id).get(user=person)

    def answers(self, key=None, model="gpt-0"):
        """Status and code of each process."""
        return [self._answer(process, key or self.team.key, model) for process in self.web]

    def _answer(self, process, key, model):
        response = process.post("chat/completions", {**HELLO, "model": model}, key)
        return response.status_code, (response.json().get("error") or {}).get("code")

    def upstream_keys(self, model):
        """What the model server was shown by each process."""
        self.fake.ledger.clear()
        self.answers(model=model)
        return {request.key for request in self.fake.requests("/v1/chat/completions")}


@pytest.fixture
def acme(transactional_db, settings, redis_url, web, fake):
    settings.REDIS_URL = redis_url
    acme = Acme(web, fake)
    add_model(acme.provider, "gpt-0", upstream_name="gpt-3.5-turbo")
    return acme


WELL = (200, None)


def stops(acme, change, expected, **who):
    """It works in both, until `change`: they remember for hours, so that it is the word about it which they obey."""
    assert acme.answers(**who) == [WELL, WELL]
    change()
    wait_for(lambda: acme.answers(**who) == [expected, expected])


def newest_key(acme):
    return ApiKey.objects.for_tenant(acme.team.id).latest("id")


def test_a_key_that_was_revoked_or_cut_stops_at_once(acme):
    owner = acme.team.owner
    key = acme.team.key_of(owner)
    stops(acme, lambda: revoke_key(newest_key(acme), by=SYSTEM), (401, "invalid_api_key"), key=key)

    key = acme.team.key_of(owner)
    rotated = newest_key(acme)
    stops(acme, lambda: rotate_key(rotated, overlap_seconds=0, by=SYSTEM), (401, "invalid_api_key"), key=key)

    key = acme.team.key_of(owner)
    cut = newest_key(acme)
    fewer = Limits(frozenset({"jobs:read"}))
    stops(acme, lambda: change_key(cut, name="cut", limits=fewer, by=SYSTEM), (403, "insufficient_scope"), key=key)

    key = acme.team.key_of(owner)
    narrowed = newest_key(acme)
    others = Limits(frozenset({"infer"}), allowed_models=("another",))
    stops(acme, lambda: change_key(narrowed, name="n", limits=others, by=SYSTEM), (404, "model_not_found"), key=key)


def test_the_key_of_a_person_who_was_demoted_removed_or_switched_off_stops_at_once(acme):
    refused = (403, "insufficient_scope")
    key, membership = acme.key_of("member")
    stops(acme, lambda: change_role(membership, role="viewer", by=SYSTEM), refused, key=key)

    key, membership = acme.key_of("member")
    stops(acme, lambda: remove_member(membership, by=SYSTEM), refused, key=key)

    key, membership = acme.key_of("admin")
    stops(acme, lambda: set_active(membership.user, False, by=SYSTEM), refused, key=key)


def test_what_is_switched_off_or_taken_away_stops_at_once(acme):
    off, gone = acme.model(), acme.model()
    stops(acme, lambda: set_entry_enabled(off, False, by=SYSTEM), (403, "model_disabled"), model=off.name)
    stops(acme, lambda: delete_entry(gone, by=SYSTEM), (404, "model_not_found"), model=gone.name)
    stops(acme, lambda: set_enabled(acme.provider, False, by=SYSTEM), (403, "model_disabled"))
    set_enabled(acme.provider, True, by=SYSTEM)
    wait_for(lambda: acme.answers() == [WELL, WELL])

    stops(acme, lambda: suspend_tenant(acme.team.tenant, by=SYSTEM), (403, "tenant_suspended"))
    resume_tenant(acme.team.tenant, by=SYSTEM)
    wait_for(lambda: acme.answers() == [WELL, WELL])

    stops(acme, lambda: withdraw_egress(acme.grant, by=SYSTEM), (502, "provider_unreachable"))


def test_a_changed_credential_is_sent_at_once(acme):
    assert acme.upstream_keys("gpt-0") == {"old-upstream-key"}

    credential = current_credential(acme.provider)
    change_credential(credential, by=SYSTEM, changes={"fields": {"api_key": "new-upstream-key"}})

    wait_for(lambda: acme.upstream_keys("gpt-0") == {"new-upstream-key"})


def test_a_rest_that_one_process_has_begun_holds_in_the_other(acme):
    first, second = acme.web
    story = [*[(first, "backend_eof")] * 3, (second, "backend_eof")]
    wait_for(lambda: statuses(acme, story) == [502, 502, 502, 503])  # a word may be late once


def statuses(acme, story):
    """Of calls of a fresh model, one after the other: to this process, with that failure."""
    body = {**HELLO, "model": acme.model().name}
    found = []
    for process, fail in story:
        acme.fake.dial.fail = fail
        found.append(process.post("chat/completions", body, acme.team.key).status_code)
    return found


def test_faults_in_a_row_are_counted_over_both(acme):
    first, second = acme.web
    story = [(process, "backend_eof") for process in (first, second, first, second)]
    wait_for(lambda: statuses(acme, story) == [502, 502, 502, 503])  # a word may be late once


def test_an_answer_of_one_starts_the_count_anew_in_the_other(acme):
    first, second = acme.web
    faults = [(first, "backend_eof"), (second, "backend_eof")]
    story = [*faults, (first, None), (second, "backend_eof"), (second, "backend_eof"), (second, None)]
    wait_for(lambda: statuses(acme, story) == [502, 502, 200, 502, 502, 200])


def test_readers_who_take_nothing_hold_256_kib_each_at_most_and_are_dropped(acme):
    """The streams would be 20 MB each; what the kernel's own buffers take is not ours."""
    readers, web, asked = 20, acme.web[0], {**HELLO, "model": "gpt-0", "stream": True}
    assert web.post("chat/completions", asked, acme.team.key).status_code == 200  # what the first call loads stays
    acme.fake.dial.tokens = ("x" * 4000,) * 5000
    acme.fake.ledger.clear()
    memory_kib = [web.memory_kib]

    with ExitStack() as opened:
        for _ in range(readers):
            opened.enter_context(web.asking(asked, acme.team.key))
        wait_for(lambda: memory_kib.append(web.memory_kib) or has_hung_up(acme.fake, readers), seconds=60)

    assert max(memory_kib) - memory_kib[0] < readers * 256


def has_hung_up(fake, calls):
    return len(fake.ledger) == calls and all(request.aborted_at for request in fake.ledger)
