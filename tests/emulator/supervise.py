"""Runs a command until standard input ends, then ends it and all it started.

The test that starts this holds the other end of standard input. However the test ends, even by
SIGKILL, that end closes, and nothing is left behind: the emulator does not end its functions when
it is ended itself, so the whole process group is.
"""

import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 3

child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)
over = threading.Event()


def wait_for_owner():
    sys.stdin.buffer.read()
    over.set()


def wait_for_child():
    child.wait()
    over.set()


def signal_group(number):
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


for wait in (wait_for_owner, wait_for_child):
    threading.Thread(target=wait, daemon=True).start()
over.wait()
signal_group(signal.SIGTERM)
try:
    child.wait(GRACE_SECONDS)
except subprocess.TimeoutExpired:
    pass
signal_group(signal.SIGKILL)
# Not sys.exit: a thread that still reads standard input would hold up the end of the interpreter.
os._exit(child.wait())
