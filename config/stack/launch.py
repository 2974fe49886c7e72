"""What bin/up becomes once everything is installed. Ctrl-C while modules are still being loaded ends it quietly."""

import runpy
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # config.stack hears it in its own way
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    runpy.run_module("config.stack", run_name="__main__", alter_sys=True)
