"""A phone for those who have none at hand: `python -m demo.phone qr.png` prints the code that it shows now."""

import sys
from pathlib import Path

from tests.support.soft_authenticator import SoftAuthenticator

if __name__ == "__main__":
    print(SoftAuthenticator.scan(Path(sys.argv[1]).read_bytes()).code())
