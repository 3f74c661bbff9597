"""Processor time of one QR code: `python -m bench.qr_costs`. Prints JSON, milliseconds a picture."""

import io
import json
import os
import time
from collections.abc import Callable

import segno

from mfa.primitives import qr_code
from mfa.primitives.provisioning_uri import provisioning_uri

PICTURES = 200


def main() -> dict[str, float]:
    """Ours at three sizes and as SVG; segno's encoding alone, with its own writer, and with its search for a mask."""
    uris = [
        provisioning_uri(os.urandom(20), issuer="Stepward", account=f"person{number:05d}") for number in range(PICTURES)
    ]

    def cost(draw: Callable[[str], object]) -> float:
        draw(uris[0])
        began = time.process_time()
        for uri in uris:
            draw(uri)
        return round((time.process_time() - began) / PICTURES * 1000, 2)

    def encoded(uri: str, mask: int | None = 2) -> segno.QRCode:
        return segno.make_qr(uri, error="M", boost_error=False, mask=mask, mode="byte", encoding="utf-8")

    def written(uri: str) -> None:
        encoded(uri).save(io.BytesIO(), kind="png", scale=5, border=4)

    return {
        "png_100": cost(lambda uri: qr_code.png(uri, 100)),
        "png_300": cost(qr_code.png),
        "png_1000": cost(lambda uri: qr_code.png(uri, 1000)),
        "svg": cost(qr_code.svg),
        "segno_encoding_with_a_mask": cost(encoded),
        "segno_encoding_and_writer_with_a_mask": cost(written),
        "segno_encoding_and_search_for_a_mask": cost(lambda uri: encoded(uri, None)),
    }


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
