from __future__ import annotations

import os
import subprocess
import sys

import pytest

from platforms.settings import ROOT

PROGRAM = """
import os, sys
from log_shipper.priority import stand_back
stand_back(int(sys.argv[1]))
print(os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0))
"""


@pytest.mark.parametrize(("nice", "policy"), [(3, os.SCHED_OTHER), (19, os.SCHED_IDLE)])
def test_the_most_of_it_is_what_nobody_else_wants(nice: int, policy: int) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(nice)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == [str(nice), str(policy)], done.stderr
