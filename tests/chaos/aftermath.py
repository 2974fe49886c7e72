"""What a scenario left behind: rows, slots, secrets, the audit chain, processes and their logs."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import redis
from django.db import connection

from providers.jobs.settlement import result_place
from providers.models import Job, UsageRecord
from tenants.audit_verification import verify
from tenants.models import Tenant
from tenants.sealing import open_sealed
from tests.chaos.checker import Row

_CLASS: Final = re.compile(
    r"^([A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Cut|Down|Closed|Timeout|Claim|Exceeded))\b"
)
# The other side has gone, in its many spellings: what every scenario may bring.
USUAL_ERRORS: Final = frozenset({"ConnectionResetError", "ConnectionRefusedError", "BrokenPipeError", "CancelledError"})


def read_rows(tenant_ids: Iterable[Any]) -> list[Row]:
    found = Job.unscoped.filter(tenant_id__in=list(tenant_ids)).select_related("tenant")
    used: dict[Any, list[str]] = defaultdict(list)
    for job_id, outcome in UsageRecord.unscoped.filter(job_id__isnull=False).values_list("job_id", "outcome"):
        used[job_id].append(outcome)
    return [
        Row(
            job=job.pk.hex,
            tenant=job.tenant.slug,
            state=job.state,
            attempt=job.attempt,
            crashes=job.crashes,
            text=text_of(job),
            finished_at=job.finished_at.timestamp() if job.finished_at else None,
            deadline_at=job.deadline_at.timestamp(),
            usage=tuple(used.get(job.pk, ())),
            error_code=job.error["code"] if job.error else None,
        )
        for job in found.iterator()
    ]


def text_of(job: Job) -> str | None:
    if job.result is None:
        return None
    result = json.loads(open_sealed(bytes(job.result), result_place(job.tenant_id, job.pk)))
    content: str = result["choices"][0]["message"]["content"]
    return content


def orphaned_leases() -> Iterator[str]:
    """I6, in the database."""
    for job in Job.unscoped.exclude(state="running").exclude(lease_owner="", lease_until=None):
        yield f"I6: job {job.pk} is {job.state} and has a lease"


def slots_held(client: redis.Redis) -> int:
    """I6, in Redis: requests that the ledger of slots believes to be in flight."""
    taken = 0
    for name in client.smembers("modelyard:slots"):
        taken += client.zcount(name, _now_ms(client), "+inf")
    return taken


def _now_ms(client: redis.Redis) -> int:
    seconds, micros = client.time()
    return int(seconds * 1000 + micros // 1000)


def audit_faults() -> Iterator[str]:
    for tenant in Tenant.objects.all():
        for finding in verify(tenant).findings:
            yield f"I7: {tenant.slug}: {finding}"


# --- Secrets ---
def places_with(canaries: Iterable[str], files: Iterable[Path], client: redis.Redis) -> list[str]:
    wanted = [canary.encode() for canary in canaries]
    found = [f"{path.name} holds a secret" for path in files if _holds(path.read_bytes(), wanted)]
    found += [f"the table {table} holds a secret" for table in _tables() if _holds(_whole(table), wanted)]
    found += [
        f"Redis holds a secret in {name!r}" for name in client.scan_iter(count=500) if _in_redis(client, name, wanted)
    ]
    return found


def _holds(data: bytes, wanted: list[bytes]) -> bool:
    return any(canary in data for canary in wanted)


def _tables() -> list[str]:
    return [name for name in connection.introspection.table_names() if not name.startswith("chaos_")]


def _whole(table: str) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT * FROM "{table}"')
        return b"\n".join(_bytes(value) for row in cursor.fetchall() for value in row)


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, (bytes, memoryview)) else str(value).encode()


def _in_redis(client: redis.Redis, name: bytes, wanted: list[bytes]) -> bool:
    readers = {
        b"string": lambda: client.get(name),
        b"list": lambda: client.lrange(name, 0, -1),
        b"hash": lambda: client.hgetall(name),
        b"set": lambda: client.smembers(name),
        b"zset": lambda: client.zrange(name, 0, -1),
        b"stream": lambda: client.xrange(name),
    }
    kind = client.type(name)
    return kind in readers and _holds(b"\n".join(_flat(readers[kind]())), wanted)


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        yield from (part for pair in value.items() for each in pair for part in _flat(each))
    elif isinstance(value, (list, tuple, set)):
        yield from (part for each in value for part in _flat(each))


# --- Logs ---
def errors_in(text: str) -> set[str]:
    """The classes of all exceptions that a log tells of with a traceback; causes are not counted by themselves."""
    found: set[str] = set()
    for line in text.splitlines():
        told = _traceback_in(line)
        if told is not None:
            found.add(told)
    return found | set(_bare(text))


def _traceback_in(line: str) -> str | None:
    if not line.startswith("{"):
        return None
    try:
        exception = json.loads(line).get("exception")
    except ValueError:
        return None
    return _last_class(exception) if exception else None


def _bare(text: str) -> Iterator[str]:
    """Tracebacks that went to standard error around the logging."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("{"))
    for block in plain.split("Traceback (most recent call last):")[1:]:
        yield next(
            (found.group(1).rpartition(".")[2] for line in block.splitlines() if (found := _CLASS.match(line))), "?"
        )


def _last_class(exception: str) -> str:
    classes = [found.group(1) for line in exception.splitlines() if (found := _CLASS.match(line))]
    return classes[-1].rpartition(".")[2] if classes else "?"
