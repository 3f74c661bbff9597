"""The tests' settings, and a clock that jumps by the seconds which the file STEPWARD_TEST_CLOCK names holds.

A process that has jumped says so by a file beside it, with its id for a suffix.
"""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.settings.test import *  # noqa: F403  As every settings module.


def _jump_when_told() -> None:
    import time_machine

    file = Path(os.environ["STEPWARD_TEST_CLOCK"])
    while not file.exists():
        time.sleep(0.05)
    time_machine.travel(datetime.now(UTC) + timedelta(seconds=float(file.read_text())), tick=True).start()
    file.with_suffix(f".{os.getpid()}").touch()


if "STEPWARD_RUN" in os.environ or os.environ.get("STEPWARD_TEST_JUMPS_AT_ONCE"):
    _thread = threading.Thread(target=_jump_when_told, daemon=True)
    _thread.start()
    if os.environ.get("STEPWARD_TEST_JUMPS_AT_ONCE"):
        _thread.join()
