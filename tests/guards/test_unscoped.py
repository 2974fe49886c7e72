"""`.unscoped` goes around the tenant door. Each module that says it stands here with its reason."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAY_SAY_IT: dict[str, str] = {
    "tenants/scope.py": "defines it",
    "tenants/authentication.py": "looks a key or a person up before any tenant is known",
    "tenants/invitations.py": "a token or an address is looked up before any tenant is known",
    "tenants/key_use.py": "one batch holds the uses of many tenants' keys; shows no row",
    "tenants/api/me.py": "a person's own memberships",
    "tenants/api/tenants.py": "a person's own memberships",
    "tenants/sealing/keyring.py": "asks which keyring keys are in use at all",
    "tenants/sealing/registry.py": "rotation goes through the sealed rows of every tenant",
    "tenants/sealing/rewrapping.py": "a new keyring key wraps every tenant's data keys",
    "tenants/sealing/versions.py": "counts data keys and blobs of every tenant; opens none",
    "providers/credentials.py": "the sweep ends graces of all tenants",
    "providers/discovery.py": "workers claim and sweep by id",
    "providers/validation/claims.py": "workers claim by id",
    "providers/validation/runs.py": "the sweep, and the limit per tenant",
    "providers/endpoints.py": "an endpoint's capacity is counted over all who share it; shows no row",
    "providers/jobs/content.py": "retention runs over all tenants",
    "providers/jobs/follower.py": "one follower for many readers, each checked before",
    "providers/jobs/sweep.py": "lost leases and deadlines of all tenants",
    "providers/usage/summing.py": "writes the sums of one tenant in one statement",
    "providers/admin/badges.py": "operators count over all tenants",
    "providers/admin/dashboard.py": "operators look over all tenants",
    "providers/admin/provider_dialogs.py": "a dialog knows its row by id alone",
}


def modules_that_say_it() -> set[str]:
    files = [*ROOT.glob("tenants/**/*.py"), *ROOT.glob("providers/**/*.py"), *ROOT.glob("config/**/*.py")]
    return {
        str(path.relative_to(ROOT))
        for path in files
        if "migrations" not in path.parts
        and re.search(r"\.unscoped\b|_default_manager|_base_manager", path.read_text())
    }


def test_only_the_named_modules_go_around_the_tenant_door():
    assert modules_that_say_it() - set(MAY_SAY_IT) == set()


def test_the_list_is_not_stale():
    assert set(MAY_SAY_IT) - modules_that_say_it() - {"tenants/scope.py"} == set()
