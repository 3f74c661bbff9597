"""The REST client of the demo: sends, shows, and complains when an answer is not the one expected."""

import base64
import json
import time
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from demo import terminal
from demo.server import CLIENT_ID


class Surprise(Exception):
    """The server answered otherwise than the contract says."""


class Client:
    """Speaks to `connect_to` as a client that knows the server by its public `url`."""

    def __init__(self, url: str, connect_to: str, *, quiet: bool = False) -> None:
        self.url = url
        self.connect_to = connect_to
        self.quiet = quiet

    def token(self, expected: int, **fields: str) -> dict[str, Any]:
        """POST /connect/token with this client's id; returns the answer's JSON, raises Surprise."""
        return self.json(self.send(expected, "POST", "/connect/token", {**fields, "client_id": CLIENT_ID}))

    def validate(self, expected: int, request_id: str, code: str) -> dict[str, Any]:
        fields = {"requestId": request_id, "secureCode": code}
        return self.json(self.send(expected, "POST", "/api/MFAEnrollment/ValidateMicrosoftTOTP", fields))

    def get(self, expected: int, path: str, **fields: str) -> bytes:
        return self.send(expected, "GET", f"{path}?{urlencode(fields)}" if fields else path)

    def get_bytes(self, path: str, **fields: str) -> bytes:
        """A `byte[]` as ASP.NET sends it: one JSON string of base64."""
        return base64.b64decode(json.loads(self.get(200, path, **fields)), validate=True)

    def verified_claims(self, access_token: str) -> dict[str, Any]:
        """The claims of a JWT access token (RFC 9068) that the JWKS verifies; raises Surprise."""
        from jwcrypto.common import JWException
        from jwcrypto.jwk import JWKSet
        from jwcrypto.jwt import JWT

        keys = JWKSet.from_json(self.get(200, "/.well-known/jwks.json").decode())
        issuer = self.json(self.send(200, "GET", "/.well-known/openid-configuration"))["issuer"]
        try:
            token = JWT(jwt=access_token, key=keys, algs=["RS256", "ES256"], expected_type="JWS")
        except JWException as problem:
            raise Surprise(f"The token does not verify: {problem}") from problem
        claims: dict[str, Any] = json.loads(token.claims)
        if claims["iss"] != issuer or claims["exp"] <= time.time():
            raise Surprise("The token's issuer or expiry is wrong.")
        return claims

    def send(self, expected: int, method: str, path: str, fields: dict[str, str] | None = None) -> bytes:
        """One exchange, shown as it happens; returns the body, raises Surprise for another status than `expected`."""
        if not self.quiet:
            terminal.sent(method, path, fields or {})
        request = Request(self.connect_to + path, method=method, headers={"Host": urlsplit(self.url).netloc})
        if fields is not None:
            request.data = urlencode(fields).encode()
        try:
            with urlopen(request, timeout=20) as answer:
                status, kind, body = answer.status, answer.headers.get_content_type(), answer.read()
        except HTTPError as refusal:
            status, kind, body = refusal.code, refusal.headers.get_content_type(), refusal.read()
        if not self.quiet:
            terminal.received(status, kind, body)
        if status != expected:
            raise Surprise(f"{method} {path.partition('?')[0]} answered {status}, not {expected}.")
        return bytes(body)

    @staticmethod
    def json(body: bytes) -> dict[str, Any]:
        return dict(json.loads(body))
