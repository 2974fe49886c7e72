"""Python runs this first in every process under observation: see tests/security/canary/after_import.py."""

import os

from tests.security.canary import after_import, careless, mutants

after_import.change(careless.CHANGES)
if os.environ.get(mutants.VARIABLE):
    after_import.change(mutants.MUTANTS[os.environ[mutants.VARIABLE]].changes)
