"""What OpenAPI says of these calls, which are plain Django views that REST framework does not see."""

from typing import Any, Final

_TAG: Final = ["AuthenticatorAPI.com"]
_TEXT: Final = {"type": "string"}
_SECRET: Final = "JBSWY3DPEHPK3PXP"


def _parameter(name: str, described: str, example: str, *, required: bool = True) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "schema": _TEXT,
        "description": described,
        "example": example,
    }


def _answers(description: str, media_type: str, **examples: str) -> dict[str, Any]:
    shown = {name: {"value": value} for name, value in examples.items()}
    content: dict[str, Any] = {"schema": _TEXT} | ({"examples": shown} if shown else {})
    return {"description": description, "content": {media_type: content}}


_ENCODING = _parameter(
    "SecretEncoding", "`base32` or `text`: how this SecretCode becomes the key.", "base32", required=False
)
_CODE = _parameter("SecretCode", "The secret that you keep. Base32 of 16 characters or more; else its text.", _SECRET)
_PIN = _parameter("Pin", "What the person typed. Anything but six digits is a wrong PIN.", "996554")
_NAMES = [
    _parameter("AppName", "Your application, as the app will show it.", "MyApp"),
    _parameter("AppInfo", "Whose account it is.", "john@example.com"),
]
_UNREADABLE = _answers("A parameter is given twice or cannot be read.", "text/plain")
_TOO_LARGE = _answers("The body is larger than 64 KiB.", "application/problem+json")
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
_RESTING = {
    **_answers(
        "More than ten wrong PINs within a minute for this secret; nothing was evaluated.",
        "text/plain",
        resting="False",
    ),
    "headers": _RETRY_AFTER,
}


def _operation(name: str, summary: str, parameters: list[dict[str, Any]], responses: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": _TAG,
        "summary": summary,
        "description": "Paths and parameter names are matched without case. Nothing is stored.",
        "parameters": parameters,
        "security": [{}],
        "responses": {**responses, "400": _UNREADABLE, "413": _TOO_LARGE},
    }


_XML, _SOAP_12 = "text/xml", "application/soap+xml"


def _soap(description: str) -> dict[str, Any]:
    return {"description": description, "content": {_XML: {"schema": _TEXT}, _SOAP_12: {"schema": _TEXT}}}


PATHS: Final[dict[str, Any]] = {
    "/pair.aspx": {
        "get": _operation(
            "pair_aspx",
            "A link and a picture for your page",
            [*_NAMES, _CODE, _ENCODING],
            {
                "200": {
                    "description": "HTML; or, as text, which parameter is missing.",
                    "content": {
                        "text/html": {
                            "schema": _TEXT,
                            "examples": {
                                "paired": {
                                    "value": "<a title='Manually pair with JBSWY3DPEHPK3PXP' href='http://localhost:5000'>"
                                    "<img src='http://localhost:5000/qr.aspx?size=300x300&data=…' border=0></a>"
                                }
                            },
                        },
                        "text/plain": {
                            "schema": _TEXT,
                            "examples": {"missing": {"value": "Pass 'AppName' in QueryString"}},
                        },
                    },
                }
            },
        )
    },
    "/qr.aspx": {
        "get": _operation(
            "qr_aspx",
            "A QR code, drawn here",
            [
                _parameter("data", "What it shall say.", "otpauth://totp/MyApp"),
                _parameter("size", "Width x height.", "300x300", required=False),
            ],
            {
                "200": {
                    "description": "The picture; or, as text, that `data` is missing.",
                    "content": {
                        "image/png": {"schema": {}},
                        "text/plain": {
                            "schema": _TEXT,
                            "examples": {"missing": {"value": "Pass 'data' in QueryString"}},
                        },
                    },
                }
            },
        )
    },
    "/Validate.aspx": {
        "get": _operation(
            "validate_aspx",
            "Check a PIN",
            [_PIN, _CODE, _ENCODING],
            {
                "200": _answers(
                    "True or False, and nothing else; or which parameter is missing.",
                    "text/plain",
                    right="True",
                    wrong="False",
                    missing="Pass 'Pin' in QueryString",
                ),
                "429": _RESTING,
            },
        )
    },
    "/api.asmx": {
        "get": _operation(
            "asmx",
            "The service's description; with `?WSDL` its WSDL",
            [_parameter("WSDL", "Ask for the WSDL; its value does not matter.", "", required=False)],
            {
                "200": {
                    "description": "A short description, or the WSDL.",
                    "content": {"text/html": {"schema": _TEXT}, _XML: {"schema": _TEXT}},
                }
            },
        ),
        "post": {
            **_operation("asmx_soap", "Pair and ValidatePin by SOAP 1.1 or 1.2", [], {}),
            "requestBody": {"content": {_XML: {"schema": _TEXT}, _SOAP_12: {"schema": _TEXT}}},
            "responses": {
                "200": _soap("The answer."),
                "400": _soap("A fault: what was sent is no call of this service."),
                "413": {
                    "description": "The body is larger than 64 KiB.",
                    "content": {**_soap("")["content"], "application/problem+json": {"schema": _TEXT}},
                },
                "429": {**_soap("A fault: the secret rests; nothing was evaluated."), "headers": _RETRY_AFTER},
            },
        },
    },
    "/api.asmx/Pair": {
        "get": _operation(
            "asmx_pair", "Key and HTML, as XML", [*_NAMES, _CODE, _ENCODING], {"200": _answers("The pairing.", _XML)}
        )
    },
    "/api.asmx/ValidatePin": {
        "get": _operation(
            "asmx_validate_pin",
            "Check a PIN, as XML",
            [_PIN, _CODE, _ENCODING],
            {
                "200": _answers("`true` or `false`.", _XML),
                "429": {**_RESTING, "content": {_XML: {"schema": _TEXT}}},
            },
        )
    },
}
