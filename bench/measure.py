"""Runs a command and writes how long it took and how much memory it had at most: `measure.py RESULT COMMAND…`.

Standard library only, so that the measuring costs next to nothing.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

began = time.perf_counter()
done = subprocess.run(sys.argv[2:], check=False)
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024  # KiB on Linux
Path(sys.argv[1]).write_text(json.dumps({"seconds": seconds, "mebibytes": peak}))
sys.exit(done.returncode)
