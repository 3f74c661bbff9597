"""The product's own clean-up, for a soak of minutes: each rule with its clock set ahead, so that what ended goes soon.

`python -m bench.soak_sweep` runs with a server's settings, every five seconds, until standard input ends.
"""

import select
import sys
from datetime import timedelta

KEPT = timedelta(minutes=2)
LIFETIMES = {"ACCESS_TOKEN_LIFETIME": "60", "REFRESH_TOKEN_LIFETIME": "600", "REQUEST_LIFETIME": "60"}
_DAY = timedelta(days=1)
# How far ahead each table's clock goes: what is kept for a day after its end goes at its end; refresh tokens, good for
# ten minutes, and sessions, kept for a month after their last use, go KEPT after they were given.
_AHEAD = {
    "identity_refreshtoken": _DAY + timedelta(seconds=int(LIFETIMES["REFRESH_TOKEN_LIFETIME"])) - KEPT,
    "identity_session": timedelta(days=30) - KEPT,
}


def sweep_ahead() -> None:
    """Every rule once, each with its table's clock."""
    from django.utils import timezone

    from identity.flows import cleanup as identity_cleanup
    from mfa.flows import cleanup as mfa_cleanup

    now = timezone.now()
    for ahead in {_DAY, *_AHEAD.values()}:
        rules = [*mfa_cleanup.rules(now + ahead), *identity_cleanup.rules(now + ahead)]
        due = [rule for rule in rules if _AHEAD.get(rule.model._meta.db_table, _DAY) == ahead]
        identity_cleanup.delete(due, seconds=4.0)


def main() -> None:
    import django

    django.setup()
    while not select.select([sys.stdin], [], [], 5.0)[0]:
        sweep_ahead()


if __name__ == "__main__":
    main()
