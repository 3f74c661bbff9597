"""How long a secret rests after wrong tries in a row (the contract's section 2.2; NIST SP 800-63B-4, 3.2.2)."""

FREE_TRIES = 5
DISABLED_AFTER = 100
FIRST_REST_SECONDS = 30
LONGEST_REST_SECONDS = 900


def rest_seconds(failures_in_a_row: int) -> int:
    """Seconds until the next try after that many wrong ones: 0 below five, then 30, doubled by each, at most 900."""
    if failures_in_a_row < FREE_TRIES:
        return 0
    doublings = min(failures_in_a_row - FREE_TRIES, 10)
    return min(FIRST_REST_SECONDS << doublings, LONGEST_REST_SECONDS)


def is_disabled(failures_in_a_row: int) -> bool:
    """Whether so many wrong tries in a row put the authenticator out of use until it is enrolled anew."""
    return failures_in_a_row >= DISABLED_AFTER
