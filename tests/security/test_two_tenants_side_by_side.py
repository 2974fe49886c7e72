"""Whatever two tenants do in whatever order, each sees what it has made itself, as if it were alone.

hypothesis strings calls together, with ids of both and names that clash. What must be seen is kept in one dictionary
per tenant, into which nothing but that tenant's own successful calls is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tenants.ids import new_id
from tests.factories import Team, make_team, make_user

SLUGS = st.sampled_from(["acme", "globex"])
NAMES = st.sampled_from(["box", "gpt-4", "spare"])
EMAILS = st.sampled_from(["jo@elsewhere.example", "kim@elsewhere.example"])
ORIGIN = "http://192.168.1.100:8080"

Id = str


@dataclass
class View:
    """What one tenant must see: each row by its id."""

    providers: dict[Id, str] = field(default_factory=dict)  # its name
    models: dict[Id, tuple[str, Id]] = field(default_factory=dict)  # its name, its provider
    keys: dict[Id, str] = field(default_factory=dict)
    members: dict[Id, str] = field(default_factory=dict)  # email
    runs: set[Id] = field(default_factory=set)
    default: Id | None = None

    def model_names(self) -> set[str]:
        return {name for name, _ in self.models.values()}


class TwoTenants(RuleBasedStateMachine):
    providers, models, keys, members, runs = (Bundle(name) for name in ("provider", "model", "key", "member", "run"))

    def __init__(self) -> None:
        super().__init__()
        self.undone = transaction.atomic()
        self.undone.__enter__()
        try:
            self._settle_in()
        except BaseException:
            self.teardown()  # hypothesis does not, for what has not begun
            raise

    def _settle_in(self) -> None:
        make_user("jo@elsewhere.example"), make_user("kim@elsewhere.example")
        self.teams = {slug: make_team(slug) for slug in ("acme", "globex")}
        self.views = {slug: View(keys={str(team.api_key.id): "owner key"}) for slug, team in self.teams.items()}
        for slug, team in self.teams.items():
            owner = self._list(team, "members")[0]
            self.views[slug].members[owner["id"]] = f"owner@{slug}.example"
            self.add_model(slug, self.add_provider(slug, "box"), "gpt-4")

    @initialize(target=providers)
    def each_has_a_provider(self) -> Any:
        return multiple(*(provider for view in self.views.values() for provider in view.providers))

    @initialize(target=models)
    def each_has_a_model(self) -> Any:
        return multiple(*(model for view in self.views.values() for model in view.models))

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undone.__exit__(None, None, None)

    # --- Providers ---
    @rule(target=providers, slug=SLUGS, name=NAMES)
    def add_provider(self, slug: str, name: str) -> Id:
        is_taken = name in self.views[slug].providers.values()
        body = {"kind": "localai", "name": name, "base_url": ORIGIN, "credentials": {"api_key": f"sk-{slug}-012345"}}
        made = self._call(slug, "post", "/providers", body, expect=409 if is_taken else 201)
        if is_taken:
            return str(new_id())
        self.views[slug].providers[made["id"]] = name
        return str(made["id"])

    @rule(slug=SLUGS, provider=providers, name=NAMES)
    def rename_provider(self, slug: str, provider: Id, name: str) -> None:
        view = self.views[slug]
        others = {own for id_, own in view.providers.items() if id_ != provider}
        expect = 404 if provider not in view.providers else 409 if name in others else 200
        self._call(slug, "patch", f"/providers/{provider}", {"name": name}, expect=expect)
        if expect == 200:
            view.providers[provider] = name

    @rule(slug=SLUGS, provider=providers)
    def delete_provider(self, slug: str, provider: Id) -> None:
        view = self.views[slug]
        expect = 204 if provider in view.providers else 404
        self._call(slug, "delete", f"/providers/{provider}?cascade=true", expect=expect)
        if expect == 204:
            del view.providers[provider]
            self._forget_models(view, {model for model, (_, its) in view.models.items() if its == provider})

    @rule(target=runs, slug=SLUGS, provider=providers)
    def validate(self, slug: str, provider: Id) -> Id:
        is_own = provider in self.views[slug].providers
        run = self._call(slug, "post", f"/providers/{provider}/validations", {}, expect=202 if is_own else 404)
        return str(run["id"]) if is_own else str(new_id())

    @rule(slug=SLUGS, provider=providers, run=runs)
    def look_at_a_run(self, slug: str, provider: Id, run: Id) -> None:
        listed = [one["id"] for one in self._runs(slug, provider)]
        expect = 200 if run in listed else 404
        self._call(slug, "get", f"/providers/{provider}/validations/{run}", expect=expect)

    @rule(target=runs, slug=SLUGS)
    def validate_a_form(self, slug: str) -> Id:
        form = {"kind": "localai", "base_url": ORIGIN, "credentials": {"api_key": f"sk-form-{slug}"}}
        run = str(self._call(slug, "post", "/validations", form, expect=202)["id"])
        self.views[slug].runs.add(run)
        return run

    @rule(slug=SLUGS, run=runs)
    def look_at_a_forms_run(self, slug: str, run: Id) -> None:
        expect = 200 if run in self.views[slug].runs else 404
        self._call(slug, "get", f"/validations/{run}", expect=expect)

    # --- Models ---
    @rule(target=models, slug=SLUGS, provider=providers, name=NAMES)
    def add_model(self, slug: str, provider: Id, name: str) -> Id:
        view = self.views[slug]
        expect = 400 if provider not in view.providers else 409 if name in view.model_names() else 201
        made = self._call(slug, "post", "/models", {"name": name, "type": "llm", "provider": provider}, expect=expect)
        if expect != 201:
            return str(new_id())
        view.models[made["id"]] = name, provider
        return str(made["id"])

    @rule(slug=SLUGS, model=models, provider=providers)
    def move_model(self, slug: str, model: Id, provider: Id) -> None:
        view = self.views[slug]
        expect = 404 if model not in view.models else 400 if provider not in view.providers else 200
        self._call(slug, "patch", f"/models/{model}", {"provider": provider}, expect=expect)
        if expect == 200:
            view.models[model] = view.models[model][0], provider

    @rule(slug=SLUGS, model=models)
    def delete_model(self, slug: str, model: Id) -> None:
        view = self.views[slug]
        expect = 204 if model in view.models else 404
        self._call(slug, "delete", f"/models/{model}?cascade=true", expect=expect)
        self._forget_models(view, {model} & set(view.models))

    @rule(slug=SLUGS, model=models)
    def choose_default(self, slug: str, model: Id) -> None:
        is_own = model in self.views[slug].models
        self._call(slug, "patch", "/default-models", {"llm": model}, expect=200 if is_own else 400)
        if is_own:
            self.views[slug].default = model

    # --- People and keys ---
    @rule(target=keys, slug=SLUGS, name=NAMES)
    def add_key(self, slug: str, name: str) -> Id:
        made = str(self._call(slug, "post", "/api-keys", {"name": name}, expect=201)["id"])
        self.views[slug].keys[made] = name
        return made

    @rule(slug=SLUGS, key=keys, name=NAMES)
    def rename_key(self, slug: str, key: Id, name: str) -> None:
        is_own = key in self.views[slug].keys
        self._call(slug, "patch", f"/api-keys/{key}", {"name": name}, expect=200 if is_own else 404)
        if is_own:
            self.views[slug].keys[key] = name

    @rule(target=members, slug=SLUGS, email=EMAILS)
    def add_member(self, slug: str, email: str) -> Id:
        is_in = email in self.views[slug].members.values()
        made = self._call(slug, "post", "/members", {"email": email, "role": "viewer"}, expect=409 if is_in else 201)
        if is_in:
            return str(new_id())
        self.views[slug].members[made["id"]] = email
        return str(made["id"])

    @rule(slug=SLUGS, member=members)
    def remove_member(self, slug: str, member: Id) -> None:
        is_in = member in self.views[slug].members
        self._call(slug, "delete", f"/members/{member}", expect=204 if is_in else 404)
        if is_in:
            del self.views[slug].members[member]

    # --- What each sees ---
    @invariant()
    def each_sees_its_own_alone(self) -> None:
        for slug, team in self.teams.items():
            view = self.views[slug]
            models = self._list(team, "models")
            assert {row["id"]: row["name"] for row in self._list(team, "providers")} == view.providers
            assert {row["id"]: (row["name"], row["provider"]) for row in models} == view.models
            assert self._call(slug, "get", "/default-models")["llm"] == view.default
            assert {row["id"]: row["name"] for row in self._list(team, "api-keys")} == view.keys
            assert {row["id"]: row["user"]["email"] for row in self._list(team, "members")} == view.members

    # --- Calls ---
    def _call(self, slug: str, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        """As the owner of the tenant."""
        team = self.teams[slug]
        answer = getattr(team.client, method)(team.path + path, body)
        assert answer.status_code == expect, (method, path, body, answer.status_code, answer.content)
        return answer.json() if answer.content else None

    def _list(self, team: Team, what: str) -> list[Any]:
        page = team.client.get(f"{team.path}/{what}?limit=200").json()
        assert page["next"] is None
        return list(page["results"])

    def _runs(self, slug: str, provider: Id) -> list[Any]:
        if provider not in self.views[slug].providers:
            self._call(slug, "get", f"/providers/{provider}/validations", expect=404)
            return []
        return self._list(self.teams[slug], f"providers/{provider}/validations")

    def _forget_models(self, view: View, gone: set[Id]) -> None:
        for model in gone:
            del view.models[model]
        if view.default in gone:
            view.default = None


def play(*, examples: int, steps: int, is_random: bool) -> None:
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=not is_random,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(TwoTenants, settings=profile)


@pytest.mark.django_db
def test_neither_ever_sees_or_moves_what_is_the_others():
    play(examples=5, steps=15, is_random=False)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.django_db
def test_neither_does_in_any_of_many_long_stories():
    play(examples=150, steps=50, is_random=True)
