"""Each scenario is a module with `SCENARIO`; `ALL` has them by name, in order."""

from __future__ import annotations

from tests.chaos.scenarios import (
    f01_killed_workers,
    f02_frozen_worker,
    f03_lost_bell,
    f04_redis_lost,
    f05_postgres_restarted,
    f07_hostile_upstream,
    f08_clients_leave,
    f13_rolling_restart,
    f14_poison,
    f15_forged_hints,
    f16_cancel_storm,
)
from tests.chaos.scenarios.scenario import Scenario

_MODULES = (
    *(f01_killed_workers, f02_frozen_worker, f03_lost_bell, f04_redis_lost, f05_postgres_restarted),
    *(f07_hostile_upstream, f08_clients_leave, f13_rolling_restart, f14_poison, f15_forged_hints, f16_cancel_storm),
)
ALL: dict[str, Scenario] = {module.SCENARIO.name: module.SCENARIO for module in _MODULES}
