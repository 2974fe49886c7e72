"""`GET {t}/usage`: what was used, by hour or day and by what tells calls apart; for those who may read it."""

import csv
import io
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.utils import timezone

from tests.providers.rows import add_provider
from tests.providers.usage.calls import add_call, at

pytestmark = pytest.mark.django_db

NOVEMBER = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}


def ask(team, client=None, **parameters):
    return (client or team.client).get(f"{team.path}/usage", {**NOVEMBER, **parameters})


def lines(team, *columns, **parameters):
    return [tuple(line[column] for column in columns) for line in ask(team, **parameters).json()["results"]]


def test_without_calls_the_report_is_empty_and_says_what_was_asked(acme):
    report = ask(acme).json()

    nothing = {"average": None, "max": None}
    assert (report["from"], report["to"]) == (NOVEMBER["from"], NOVEMBER["to"])
    assert (report["bucket"], report["group_by"], report["results"]) == ("day", [], [])
    assert (report["next"], report["previous"]) == (None, None)
    assert report["totals"] == {
        "calls": 0, "succeeded": 0, "failed": 0, "cancelled": 0, "prompt_tokens": 0, "completion_tokens": 0,
        "total_tokens": 0, "estimated_calls": 0, "estimated_share": 0.0, "first_token_ms": nothing, "total_ms": nothing,
    }  # fmt: skip


def test_a_day_sums_its_calls(acme):
    add_call(acme, at(3, 0), first_token_ms=100, total_ms=1000, is_estimated=True)
    add_call(acme, at(3, 23, 59), first_token_ms=300, total_ms=3000)
    add_call(acme, at(3), outcome="cancelled", prompt_tokens=None, completion_tokens=None, first_token_ms=None)
    add_call(acme, at(3), outcome="provider_unreachable", prompt_tokens=None, completion_tokens=None, total_ms=20)

    (line,) = ask(acme).json()["results"]

    assert line == {
        "start": "2026-11-03T00:00:00Z",
        "calls": 4, "succeeded": 2, "failed": 1, "cancelled": 1,
        "prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30,
        "estimated_calls": 1, "estimated_share": 0.25,
        "first_token_ms": {"average": 167, "max": 300}, "total_ms": {"average": 1255, "max": 3000},
    }  # fmt: skip


def test_days_and_hours_are_utcs_and_those_without_calls_are_left_out(acme):
    for moment in (at(3, 9, 59), at(3, 10), at(5, 10)):
        add_call(acme, moment)

    assert lines(acme, "start", "calls") == [("2026-11-03T00:00:00Z", 2), ("2026-11-05T00:00:00Z", 1)]
    assert lines(acme, "start", bucket="hour", **{"to": "2026-11-04T00:00:00+09:00"}) == [
        ("2026-11-03T09:00:00Z",),
        ("2026-11-03T10:00:00Z",),
    ]


def test_what_begins_at_from_counts_and_what_begins_at_to_does_not(acme):
    for moment in (at(3), at(4), at(5)):
        add_call(acme, moment)

    assert lines(acme, "start", **{"from": "2026-11-03T12:00:00Z", "to": "2026-11-05T12:00:00Z"}) == [
        ("2026-11-03T00:00:00Z",),
        ("2026-11-04T00:00:00Z",),
    ]


def test_calls_are_told_apart_by_model_provider_key_and_operation(acme):
    provider = add_provider(acme, "http://10.0.0.7:8080")
    add_call(acme, at(3), provider_id=provider.id)
    add_call(acme, at(3), model_name="ada", operation="embeddings", provider_id=uuid4())
    add_call(acme, at(3), api_key_id=None)

    assert lines(acme, "model", "calls", group_by="model") == [("ada", 1), ("gpt-4", 2)]
    assert sorted(lines(acme, "operation", "calls", group_by="operation")) == [
        ("chat.completions", 2),
        ("embeddings", 1),
    ]
    assert {name for (name,) in lines(acme, "provider_name", group_by="provider")} == {"gpu-box", None}
    assert set(lines(acme, "api_key", "api_key_name", "calls", group_by="api_key")) == {
        (None, None, 1),
        (str(acme.api_key.id), "owner key", 2),
    }
    both = ask(acme, group_by="provider,model").json()
    assert both["group_by"] == ["provider", "model"]
    assert len(both["results"]) == 3


def test_calls_are_picked_by_model_provider_key_and_operation(acme):
    provider, other = uuid4(), uuid4()
    add_call(acme, at(3), provider_id=provider)
    add_call(acme, at(3), provider_id=provider, model_name="ada", operation="embeddings", api_key_id=other)

    for name, value in (("model", "ada"), ("operation", "embeddings"), ("api_key", other)):
        assert ask(acme, **{name: value}).json()["totals"]["calls"] == 1, name
    assert ask(acme, provider=provider).json()["totals"]["calls"] == 2
    assert ask(acme, model="gpt-3").json()["totals"]["calls"] == 0


@time_machine.travel("2026-11-20T12:00:00Z")
def test_pages_go_on_and_back_over_the_same_time(acme):
    for day in range(1, 8):
        add_call(acme, at(day))

    first = acme.client.get(f"{acme.path}/usage", {"from": NOVEMBER["from"], "limit": 3, "group_by": "model"}).json()
    second = acme.client.get(first["next"]).json()
    third = acme.client.get(second["next"]).json()
    again = acme.client.get(third["previous"]).json()

    days = [[line["start"][8:10] for line in page["results"]] for page in (first, second, third)]
    assert days == [["01", "02", "03"], ["04", "05", "06"], ["07"]]
    assert third["next"] is None
    assert again["results"] == second["results"]
    assert {page["to"] for page in (first, second, third)} == {first["to"]}
    assert third["totals"]["calls"] == 7


def test_unless_told_it_is_the_last_thirty_days_or_the_last_day_by_hours(acme):
    now = timezone.now()
    for moment in (now - timedelta(hours=2), now - timedelta(days=29), now - timedelta(days=40)):
        add_call(acme, moment)

    by_day = acme.client.get(f"{acme.path}/usage").json()
    by_hour = acme.client.get(f"{acme.path}/usage", {"bucket": "hour"}).json()

    assert (by_day["totals"]["calls"], by_hour["totals"]["calls"]) == (2, 1)
    assert by_day["from"].endswith("T00:00:00Z")


NONSENSE = [
    ({"from": "yesterday"}, "from"),
    ({"from": "2026-11-01"}, "from"),
    ({"from": "2026-12-01T00:00:00Z"}, "from"),
    ({"from": "2024-01-01T00:00:00Z"}, "from"),
    ({"to": "0001-01-01T00:00:00+14:00"}, "to"),
    ({"bucket": "hour", "from": "2026-10-01T00:00:00Z"}, "from"),
    ({"bucket": "week"}, "bucket"),
    ({"group_by": ""}, "group_by"),
    ({"group_by": "model,colour"}, "group_by"),
    ({"group_by": "model,model"}, "group_by"),
    ({"operation": "chat"}, "operation"),
    ({"provider": "gpu-box"}, "provider"),
    ({"api_key": "7"}, "api_key"),
    ({"limit": 201}, "limit"),
]


def test_what_makes_no_sense_is_refused_with_its_name(acme):
    refused = [(parameters, ask(acme, **parameters)) for parameters, _ in NONSENSE]

    assert {(answer.status_code, answer.json()["code"]) for _, answer in refused} == {(400, "invalid_parameter")}
    named = [(parameters, answer.json()["errors"][0]["field"]) for parameters, answer in refused]
    assert named == NONSENSE


def test_a_cursor_that_is_none_of_ours_is_refused(acme):
    for cursor in ("nonsense", "e30", "WyJhIiwiYiJd", "é", ""):
        assert ask(acme, cursor=cursor).json()["code"] == "cursor_invalid", cursor


def test_a_report_may_begin_before_all_time(acme):
    assert acme.client.get(f"{acme.path}/usage", {"to": "0001-01-02T00:00:00Z"}).json()["results"] == []


def test_as_csv_it_is_one_table_with_every_line(acme):
    provider = add_provider(acme, "http://10.0.0.7:8080", name="gpu, box")
    for day in range(1, 4):
        add_call(acme, at(day), provider_id=provider.id)

    answer = acme.client.get(
        f"{acme.path}/usage", {**NOVEMBER, "group_by": "provider", "limit": 1}, headers={"Accept": "text/csv"}
    )

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="acme-usage.csv"'
    assert "Accept" in answer.headers["vary"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
    assert [row["start"] for row in rows] == [f"2026-11-0{day}T00:00:00Z" for day in range(1, 4)]
    assert (rows[0]["provider"], rows[0]["provider_name"]) == (str(provider.id), "gpu, box")
    assert (rows[0]["calls"], rows[0]["total_tokens"], rows[0]["total_ms_average"]) == ("1", "15", "1000")


def test_no_cell_is_a_formula(acme):
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0"]
    for name in names:
        add_call(acme, at(3), model_name=name)

    answer = acme.client.get(f"{acme.path}/usage", {**NOVEMBER, "group_by": "model"}, headers={"Accept": "text/csv"})

    rows = csv.DictReader(io.StringIO(answer.content.decode(), newline=""))
    assert {row["model"] for row in rows} == {f"'{name}" for name in names}


def test_a_refusal_is_a_problem_also_where_csv_was_asked_for(acme):
    answer = acme.client.get(f"{acme.path}/usage", {"bucket": "week"}, headers={"Accept": "text/csv"})

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_parameter"


def test_a_report_that_would_be_too_long_is_refused(acme, settings):
    for number in range(3):
        add_call(acme, at(3), model_name=f"model-{number}")
    settings.USAGE_REPORT_MAX_LINES = 2

    answer = ask(acme, group_by="model")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "group_by")


def test_another_tenants_calls_are_not_counted_and_its_names_not_told(acme, globex):
    theirs = add_provider(globex, "http://10.0.0.7:8080", name="their box")
    add_call(globex, at(3))
    add_call(acme, at(3), provider_id=theirs.id, api_key_id=globex.api_key.id)

    (line,) = ask(acme, group_by="provider,api_key").json()["results"]

    assert (line["calls"], line["provider_name"], line["api_key_name"]) == (1, None, None)
    assert ask(acme, client=globex.client).status_code == 404


def test_a_key_needs_the_scope_and_every_role_has_it(acme):
    assert ask(acme, client=acme.client_with("models:read", "audit:read")).status_code == 403
    assert ask(acme, client=acme.client_with("usage:read")).status_code == 200
    assert ask(acme, client=acme.client_as("viewer")).status_code == 200
