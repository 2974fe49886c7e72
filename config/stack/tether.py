"""Run a command that ends when its parent ends, however the parent ends.

Started as a script by the system's or the venv's Python (`tether.py PARENT_PID COMMAND…`), before any import of
the project: it asks the kernel for SIGTERM at the parent's death (Linux) and then becomes the command. Elsewhere the
command simply runs, and only an orderly end of the parent takes it down.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def tether(parent_pid: int) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent_pid:  # the parent died before the kernel was asked
        raise SystemExit(1)


if __name__ == "__main__":
    tether(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
