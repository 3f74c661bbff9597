"""`python -m config.probe URL`: ends with 0 when URL answers 200. For health checks in images that hold no curl.

Any other answer is printed, so that `docker inspect` or whoever asked by hand sees which part fails.

A health check's arguments are handed over as they are, so none of them needs quoting or holds a blank.
"""

import http.client
import sys
from urllib.parse import urlsplit


def answers(url: str, seconds: float = 3.0) -> bool:
    """Whether a GET of `url` (http alone) is answered with 200 within `seconds`; what else there is goes to stderr."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=seconds)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        response = connection.getresponse()
        if response.status == 200:
            return True
        sys.stderr.write(f"{response.status} {response.read(4096).decode(errors='replace')}\n")
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"{type(error).__name__}\n")
    finally:
        connection.close()
    return False


if __name__ == "__main__":
    sys.exit(0 if len(sys.argv) == 2 and answers(sys.argv[1]) else 1)
