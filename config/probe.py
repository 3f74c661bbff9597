"""`python -m config.probe URL`: ends with 0 when URL answers 200. For health checks in images that hold no curl.

A health check's arguments are handed over as they are, so none of them needs quoting or holds a blank.
"""

import http.client
import sys
from urllib.parse import urlsplit


def answers(url: str, seconds: float = 3.0) -> bool:
    """Whether a GET of `url` (http alone) is answered with 200 within `seconds`."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=seconds)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if len(sys.argv) == 2 and answers(sys.argv[1]) else 1)
