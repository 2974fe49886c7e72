"""A refusal with a code of the catalogue, and its body as RFC 9457 says (`application/problem+json`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tenants.codes import CATALOGUE, Code

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is wrong: `credentials.api_key`, its code and a sentence for a person."""

    field: str
    code: str
    message: str


class Problem(Exception):
    """Raised where a request is refused; each edge renders it once.

    `code` must stand in the catalogue, which gives status, title and (unless `hint` says more) the next step.
    `extra` are further members of the body, such as `impact`. No secret and no other tenant's name in any text.
    """

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        hint: str | None = None,
        errors: Sequence[FieldError] | None = None,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        self.entry: Code = CATALOGUE[code]
        self.detail = detail or self.entry.title
        self.hint = hint or self.entry.remedy
        self.errors = list(errors or [])
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        super().__init__(f"{code}: {self.detail}")

    @property
    def code(self) -> str:
        return self.entry.code

    @property
    def status(self) -> int:
        return self.entry.status


def invalid(errors: Sequence[FieldError], *, otherwise: str = "invalid_request") -> Problem:
    """The problem for a set of wrong fields: it takes the first field code that the catalogue knows as its own."""
    code = next((error.code for error in errors if error.code in CATALOGUE), otherwise)
    return Problem(code, errors[0].message if len(errors) == 1 else None, errors=errors)


def problem_body(problem: Problem, request_id: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"urn:modelyard:problem:{problem.code}",
        "title": problem.entry.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
    }
    if problem.hint:
        body["hint"] = problem.hint
    if problem.errors:
        body["errors"] = [{"field": e.field, "code": e.code, "message": e.message} for e in problem.errors]
    return {**problem.extra, **body}
