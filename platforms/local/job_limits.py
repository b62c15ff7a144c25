"""Run as a script: set a job's limits, then become the job.

The limits belong to the process, not to the one that waits for it: they hold even if the waiting one is killed.
"""

import os
import resource
import signal
import sys

if __name__ == "__main__":
    memory_mb, seconds, *command = sys.argv[1:]
    size = int(memory_mb) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    signal.setitimer(signal.ITIMER_REAL, float(seconds))
    os.execv(command[0], command)
