"""Who calls a control-plane address that is answered here: a key, a session token or the session's cookie."""

from __future__ import annotations

from starlette.requests import Request

from providers.gateway.callers import key_holder
from tenants.authentication import Caller, enter, identify, refused
from tenants.csrf import refuse_forgery_outside
from tenants.in_db import in_db
from tenants.problems import Problem


async def caller_in_tenant(request: Request, scope_needed: str) -> Caller:
    """The caller inside the tenant of the address, who holds `scope_needed`.

    Raises Problem, as DRF's views do: 401 for a bad or missing credential, the same 404 for a tenant that does not
    exist and for one without membership, then 403. A cookie needs its CSRF token where the method changes something.
    """
    slug = request.path_params["tenant"]
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        caller = await _key_in_tenant(request, slug)
    else:
        caller = await in_db(_enter, request, slug)
    caller.require(scope_needed)
    return caller


async def _key_in_tenant(request: Request, slug: str) -> Caller:
    try:
        caller = await key_holder(request.scope)
    except Problem as refusal:
        if refusal.code != "tenant_suspended":
            raise
        return await in_db(_enter, request, slug)  # at another tenant's address the key's own state does not count
    if caller.tenant_slug != slug:
        raise Problem("not_found")
    return caller


def _enter(request: Request, slug: str) -> Caller:
    headers = dict(request.headers)
    principal = identify(headers, request.cookies, request.client.host if request.client else None)
    if principal is None:
        raise refused("No credential came with the request.")
    if principal.via == "cookie":
        refuse_forgery_outside(
            method=request.method, scheme=request.url.scheme, headers=headers, cookies=request.cookies
        )
    return enter(principal, slug)
