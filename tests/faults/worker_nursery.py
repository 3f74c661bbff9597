"""Starts Celery workers in a fraction of a second: loads everything once, then forks a worker for each line it reads.

Prints the process id of each. What runs in the child is `celery -A config.celery worker`, as `manage.py serve` starts it.
"""

import os
import signal
import sys

from config.celery import app


def main() -> None:
    import django

    django.setup()
    from mfa import tasks  # noqa: F401  Loaded before the fork, so that children share it.
    from mfa.flows import sweeping  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for number, _line in enumerate(sys.stdin):
        child = os.fork()
        if child == 0:
            os.dup2(2, 1)
            name = f"--hostname=worker{number}"
            options = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING"]
            app.worker_main(["--quiet", "worker", "--pool=threads", "--concurrency=4", name, *options])
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
