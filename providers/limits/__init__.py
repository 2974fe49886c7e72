"""Rate limits of keys and tenants: who may call now, what is counted, and what the caller is told.

`admit` before a call, `Admission.end` after it. Where no limit is set it costs nothing; where one is, at most one
call of a script for all of them together. While Redis is down each process keeps to a share of every limit.
"""

from providers.limits.admission import OPEN, Admission, RateLimited
from providers.limits.desk import admit, close
from providers.limits.jobs import charge_job

__all__ = ["OPEN", "Admission", "RateLimited", "admit", "charge_job", "close"]
