"""What OpenAPI says of `/api/account/password` and its reset: the keyword arguments of `extend_schema`."""

from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.utils import OpenApiResponse

from identity.api import schema as common
from identity.api.schema import JSON, PROBLEM
from mfa.api.visualguard import examples
from mfa.api.visualguard.components import ref, taken
from mfa.api.visualguard.examples import REQUEST_ID

# The sentences of each status, and what stands beside them. A promise test holds them to the views.
PASSWORD_REFUSALS: Final[dict[int, list[tuple[str, dict[str, Any]]]]] = {
    400: [
        ("Username, Password and NewPassword are needed.", {}),
        ("The user name or the password is not right.", {}),
        ("The new password is not acceptable.", {"problems": ["It has fewer than 12 characters."]}),
    ],
    401: [("The client is not known or did not show its secret.", {})],
    403: [
        ("The account may not sign in to this application.", {}),
        ("An AuthenticationRequestId whose second factor has passed is needed.", {}),
    ],
    429: [
        ("Too many wrong passwords. Wait, or ask an administrator.", {}),
        ("Too many requests from this address.", {}),
    ],
    503: [("Too many passwords are being checked.", {})],
}
_UNKNOWN_CLIENT: Final[tuple[str, dict[str, Any]]] = ("The client is not known or did not show its secret.", {})
PASSWORD_RESET_REFUSALS: Final[dict[int, list[tuple[str, dict[str, Any]]]]] = {
    400: [("Username is needed.", {})],
    401: [_UNKNOWN_CLIENT],
}
PASSWORD_RESET_CONFIRM_REFUSALS: Final[dict[int, list[tuple[str, dict[str, Any]]]]] = {
    400: [
        ("ResetCode and NewPassword are needed.", {}),
        ("The code is not right, was used, or is older than half an hour.", {}),
        ("The new password is not acceptable.", {"problems": ["It was this account's password before."]}),
    ],
    401: [_UNKNOWN_CLIENT],
    403: [("The password of this account cannot be reset.", {})],
    503: [("Too many passwords are being checked.", {})],
}


def _refusals(by_status: dict[int, list[tuple[str, dict[str, Any]]]]) -> dict[Any, Any]:
    """The problems of the calls about passwords."""
    return {
        (status, PROBLEM): OpenApiResponse(
            ref("PasswordProblem"),
            HTTPStatus(status).phrase,
            [common.example(sentence, common.problem(status, sentence, **more)) for sentence, more in found],
        )
        for status, found in by_status.items()
    }


_STATUS_ALONE = {"type": "object", "properties": {"Status": {"type": "integer", "const": 3}}, "required": ["Status"]}

PASSWORD: dict[str, Any] = {
    "operation_id": "change_password",
    "tags": ["Sign-in"],
    "summary": "Change the own password",
    "description": (
        "What a person does whose answer was 513, or at any time. With a confirmed authenticator an "
        "`AuthenticationRequestId` whose code or link step has passed is needed. Every session, open request and "
        "remembered device of the account ends with it. The sign-in's lockout covers the old password."
    ),
    "auth": [{}, {"client": []}],
    **taken(
        "PasswordBody",
        (
            "With a second factor",
            {
                "client_id": examples.CLIENT_ID,
                "Username": "tt29",
                "Password": "the old passphrase",
                "NewPassword": "a longer new passphrase",
                "AuthenticationRequestId": REQUEST_ID,
            },
        ),
    ),
    "responses": {
        (200, JSON): OpenApiResponse(_STATUS_ALONE, "Changed.", [common.example("Done", {"Status": 3})]),
        **_refusals(PASSWORD_REFUSALS),
        **{key: answer for key, answer in common.ANY_CALL.items() if key[0] != 429},
    },
}
PASSWORD_RESET: dict[str, Any] = {
    "operation_id": "ask_for_password_reset",
    "tags": ["Sign-in"],
    "summary": "Ask for a code that resets a forgotten password",
    "description": (
        "The code goes to the account's verified e-mail address and is good for half an hour. The answer is the same "
        "whether the name exists or not. An account whose e-mail address is its second factor is told by e-mail that "
        "an administrator has to help."
    ),
    "auth": [{}, {"client": []}],
    **taken("PasswordResetBody", ("A name", {"client_id": examples.CLIENT_ID, "Username": "tt29"})),
    "responses": {
        (202, JSON): OpenApiResponse(_STATUS_ALONE, "Noted.", [common.example("Noted", {"Status": 3})]),
        **_refusals(PASSWORD_RESET_REFUSALS),
        **common.ANY_CALL,
    },
}
PASSWORD_RESET_CONFIRM: dict[str, Any] = {
    "operation_id": "reset_password",
    "tags": ["Sign-in"],
    "summary": "Set a new password with the code that was sent",
    "description": "It signs nobody in, and a second factor stays due.",
    "auth": [{}, {"client": []}],
    **taken(
        "PasswordResetConfirmBody",
        (
            "The code",
            {"client_id": examples.CLIENT_ID, "ResetCode": "…", "NewPassword": "a longer new passphrase"},
        ),
    ),
    "responses": {
        (200, JSON): OpenApiResponse(_STATUS_ALONE, "Set.", [common.example("Done", {"Status": 3})]),
        **_refusals(PASSWORD_RESET_CONFIRM_REFUSALS),
        **common.ANY_CALL,
    },
}
