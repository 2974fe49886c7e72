"""A process that serves does not spend its time looking for garbage among what it is made of."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from tests.stack.serving import serving

ONE_LIFE = """
import gc
from config.garbage import look_rarely

class Ring:
    def __init__(self):
        self.me = self

look_rarely()
at_first = gc.get_freeze_count()
rings = [Ring() for _ in range(100)]
look_rarely()
del rings
print(at_first > 0, gc.get_freeze_count() <= at_first, gc.isenabled(), gc.collect() >= 100)
"""


@pytest.mark.django_db(transaction=True)
def test_a_web_process_sets_aside_what_it_is_made_of_before_it_answers(settings, redis_url):
    from config.asgi import application

    settings.REDIS_URL = redis_url
    with serving(application):
        assert gc.get_freeze_count() > 100_000
        assert gc.get_threshold()[0] >= 10_000


def test_what_comes_later_is_still_looked_at():
    done = subprocess.run([sys.executable, "-c", ONE_LIFE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 4
