"""Loaded by schemathesis, in its own process, for calls that follow one another (see test_the_whole_schema).

What it makes up is seldom taken, so that little would ever be created: now and then a right body stands in for it.
"""

from __future__ import annotations

import json
import os
import random
from itertools import count
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import GenerationMode

RIGHT_ONES_IN_TEN = 7

_right: dict[str, Any] = json.loads(Path(os.environ["RIGHT_BODIES"]).read_text())  # by the operation's id
_chance = random.Random(20270131)
_numbers = count()


@schemathesis.hook
def before_call(context: Any, case: Any, **_: Any) -> None:
    if case.headers is not None:
        case.headers.pop("Idempotency-Key", None)  # the second answer to one key names what may be gone by now
    right = _right.get(case.operation.definition.raw.get("operationId"))
    is_meant_to_be_right = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if right and is_meant_to_be_right and _chance.randrange(10) < RIGHT_ONES_IN_TEN:
        case.body = _with_names_of_its_own(right)


def _with_names_of_its_own(body: dict[str, Any]) -> dict[str, Any]:
    number = next(_numbers)
    own = {field: f"{body[field]}-{number}" for field in ("name", "slug") if field in body}
    return {**body, **own, **({"email": f"person{number}@elsewhere.example"} if "email" in body else {})}
