"""What 1, 10 and 100 million people need, from the unit costs that `bench.unit_costs` measures.

`python -m bench.scale [FILE]`: FILE is its JSON; without one, the figures of docs/explanation/scale.md. First the
model is asked what the measured machine itself can do, then what larger ones must have.
"""

import json
import sys
from pathlib import Path

# Measured: two cores, Python 3.11, PostgreSQL 18, 120 sign-ins by app with tokens and a refresh token.
MEASURED = {
    "web_ms_password_step": 46.2,
    "web_ms_code_step": 16.7,
    "postgresql_ms_password_step": 6.83,
    "postgresql_ms_code_step": 6.08,
    "bytes_identity_auditevent": 1427,
    "bytes_identity_session": 112,
    "bytes_identity_accesstoken": 650,
    "bytes_identity_refreshtoken": 421,
    "bytes_mfa_authenticationrequest": 682,
}
SIGN_INS_A_DAY = 1.0  # each person
BUSIEST_HOUR = 0.12  # the share of a day's sign-ins in its busiest hour
USED = 0.6  # of a core, so that a burst and a lost machine are borne
KEPT_DAYS = {
    "identity_accesstoken": 1,
    "identity_refreshtoken": 15,
    "identity_session": 30,
    "mfa_authenticationrequest": 1,
}


def one_sign_in(costs: dict[str, float]) -> tuple[float, float]:
    """Seconds of the web's processors and of PostgreSQL's."""
    web = costs["web_ms_password_step"] + costs["web_ms_code_step"]
    database = costs["postgresql_ms_password_step"] + costs["postgresql_ms_code_step"]
    return web / 1000, database / 1000


def most_a_second(cores: float, costs: dict[str, float]) -> float:
    """Sign-ins a second that so many cores do, web and database on the same ones."""
    return cores / sum(one_sign_in(costs))


def needs(people: float, costs: dict[str, float]) -> dict[str, float]:
    """What so many people need in their busiest hour, and what stays on disk."""
    rate = people * SIGN_INS_A_DAY * BUSIEST_HOUR / 3600
    web, database = one_sign_in(costs)
    daily = people * SIGN_INS_A_DAY
    return {
        "sign-ins a second": round(rate),
        "web cores": round(rate * web / USED, 1),
        "postgresql cores": round(rate * database / USED, 1),
        "audit GB a year": round(daily * 365 * costs["bytes_identity_auditevent"] / 1e9),
        "everything else GB": round(daily * sum(days * costs[f"bytes_{t}"] for t, days in KEPT_DAYS.items()) / 1e9),
    }


if __name__ == "__main__":
    measured = json.loads(Path(sys.argv[1]).read_text()) if len(sys.argv) > 1 else MEASURED
    print(f"Two cores do {most_a_second(2, measured):.0f} sign-ins a second, with everything on them.")
    for millions in (1, 10, 100):
        print(f"{millions} million people: {needs(millions * 1e6, measured)}")
