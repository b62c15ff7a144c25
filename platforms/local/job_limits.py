"""Set a job's limits, then be the job: run as a script, or as a module by the launcher.

The limits belong to the process, not to the one that waits for it: they hold even if the waiting one is killed.
Arguments: MiB beyond what the process has already, seconds, the module, the module's own arguments.
"""

import os
import resource
import runpy
import signal
import sys

if __name__ == "__main__":
    memory_mb, seconds, module, *arguments = sys.argv[1:]
    with open("/proc/self/statm") as statm:
        held = int(statm.read().split()[5]) * resource.getpagesize()
    size = held + int(memory_mb) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    signal.setitimer(signal.ITIMER_REAL, float(seconds))
    sys.path[0], sys.argv = os.getcwd(), [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
