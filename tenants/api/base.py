"""What every view of the control plane has: a proven caller, a scope per method, pages, ETags and idempotency."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from tenants import idempotency
from tenants.api import pages
from tenants.api.bodies import JSONRenderer
from tenants.api.fields import NoFields
from tenants.authentication import Caller, Principal, enter
from tenants.problems import Problem

Row = TypeVar("Row", bound=Model)
Handler = Callable[..., Response]

MEMBERSHIP = ""  # in `scopes`: being a member is enough
_REPEATED = ("Location", "ETag", "Content-Location")  # the headers that a replayed answer carries again


class ApiView(APIView):
    """A view outside any tenant. `tag` groups its operations in the OpenAPI document."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    tag: ClassVar[str] = ""
    tenant_id: UUID | None = None  # whose data key seals the answer that an Idempotency-Key repeats

    @property
    def principal(self) -> Principal:
        assert isinstance(self.request.auth, Principal)
        return self.request.auth

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        _refuse_nul(request, kwargs)
        self.enter(request, **kwargs)
        if request.method == "POST" and "Idempotency-Key" in request.headers and hasattr(self, "post"):
            self.__dict__["post"] = partial(self._once, self.__getattribute__("post"))

    def enter(self, request: Request, **kwargs: Any) -> None:
        """Settle who may do this, before the handler runs."""

    # --- Bodies ---
    def read(self, serializer_class: type[BaseSerializer[Any]], **options: Any) -> dict[str, Any]:
        """The checked body. Raises what becomes 400 with every wrong field named."""
        serializer = serializer_class(data=self.request.data, context={"view": self}, **options)
        serializer.is_valid(raise_exception=True)
        checked: dict[str, Any] = serializer.validated_data
        return checked

    def read_nothing(self) -> None:
        """For what takes no body: a field that came all the same is refused, never passed over."""
        self.read(NoFields)

    # --- Answers ---
    def page(
        self,
        queryset: QuerySet[Any],
        serializer_class: type[BaseSerializer[Any]],
        ordering: tuple[str, ...] = ("-id",),
        *,
        orderings: Sequence[str] = (),
        context: Mapping[str, Any] | None = None,
    ) -> Response:
        """A cursor page of `queryset`; `orderings` are what `?ordering=` may name."""

        def show(rows: Sequence[Any]) -> Any:
            return serializer_class(rows, many=True, context={"view": self, **(context or {})}).data

        return Response(pages.page_of(self.request, queryset, show, ordering=ordering, orderings=orderings))

    def shown(self, data: Any, *, version: int | None = None, status: int = 200) -> Response:
        return Response(data, status=status, headers={"ETag": etag(version)} if version is not None else {})

    def created(self, data: Any, location: str, *, version: int | None = None) -> Response:
        return self._located(data, location, 201, version)

    def accepted(self, data: Any, location: str) -> Response:
        """The work goes on after this answer; `location` is what to poll."""
        return self._located(data, location, 202, None)

    def no_content(self) -> Response:
        return Response(status=204)

    def flag(self, name: str) -> bool:
        return pages.flag(self.request, name)

    def _located(self, data: Any, location: str, status: int, version: int | None) -> Response:
        headers = {"Location": self.request.build_absolute_uri(location)}
        if version is not None:
            headers["ETag"] = etag(version)
        return Response(data, status=status, headers=headers)

    # --- Rows ---
    def get_or_404(self, queryset: QuerySet[Row], row_id: str | UUID) -> Row:
        """The row with this id; the same 404 for an id that is malformed, unknown or another tenant's."""
        try:
            wanted = row_id if isinstance(row_id, UUID) else UUID(row_id)
        except ValueError:
            raise Problem("not_found") from None
        row = queryset.filter(pk=wanted).first()
        if row is None:
            raise Problem("not_found")
        return row

    def check_if_match(self, row: Any) -> None:
        """Raises Problem `precondition_failed` (412) when `If-Match` names another version of the row."""
        wanted = self.request.headers.get("If-Match")
        if wanted is None or wanted.strip() == "*":
            return
        if etag(row.version) not in (entry.strip() for entry in wanted.split(",")):
            raise Problem("precondition_failed")

    # --- Idempotency-Key ---
    def idempotency_route(self, request: Request) -> str:
        """What the key belongs to: keys of two routes have nothing to do with each other."""
        return request.path

    def _once(self, handler: Handler, request: Request, *args: Any, **kwargs: Any) -> Response:
        assert self.principal.actor.id is not None
        claimed = idempotency.claim(
            actor_id=self.principal.actor.id,
            route=self.idempotency_route(request),
            key=request.headers["Idempotency-Key"],
            body_digest=idempotency.digest_of(request.get_full_path().encode(), request.body),
            tenant_id=self.tenant_id,
        )
        if isinstance(claimed, idempotency.Answer):
            return Response(claimed.body, status=claimed.status, headers=dict(claimed.headers))
        is_settled = False
        try:
            with transaction.atomic():
                response = handler(request, *args, **kwargs)
                assert self.tenant_id is not None
                idempotency.settle(claimed, _answer_of(response), tenant_id=self.tenant_id)
            is_settled = True
        finally:
            if not is_settled:
                idempotency.release(claimed)
        return response


class TenantView(ApiView):
    """A view inside the tenant that the URL's `tenant` names. `scopes` says for each method what it needs."""

    scopes: ClassVar[dict[str, str]] = {}
    caller: Caller

    def enter(self, request: Request, **kwargs: Any) -> None:
        self.caller = enter(self.principal, kwargs["tenant"])
        self.tenant_id = self.caller.tenant_id
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method not in self.allowed_methods:
            return  # answered with 405
        needed = self.scopes[method]
        if needed != MEMBERSHIP:
            self.caller.require(needed)


def _refuse_nul(request: Request, kwargs: Mapping[str, Any]) -> None:
    """PostgreSQL takes no NUL in any text, not even to look for it."""
    if any("\x00" in str(part) for part in kwargs.values()):
        raise Problem("not_found")
    for name, values in request.query_params.lists():
        if "\x00" in name or any("\x00" in value for value in values):
            raise pages.bad_parameter(name.replace("\x00", ""), "A parameter may not hold the NUL character.")


def etag(version: int) -> str:
    return f'"{version}"'


def _answer_of(response: Response) -> idempotency.Answer:
    headers = {name: response.headers[name] for name in _REPEATED if name in response.headers}
    body = orjson.loads(JSONRenderer().render(response.data)) if response.data is not None else None
    return idempotency.Answer(response.status_code, headers, body)
