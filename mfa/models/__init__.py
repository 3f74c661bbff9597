"""The tables of mfa."""

from mfa.models.authentication_request import AuthenticationRequest
from mfa.models.authenticator import Authenticator, Enrolment
from mfa.models.challenge import Challenge
from mfa.models.data_key import DataKey
from mfa.models.delivery import Delivery, SendingBudget
from mfa.models.invitation import Invitation
from mfa.models.key_rotation import KeyRotation
from mfa.models.password_reset import PasswordReset
from mfa.models.policy import MfaPolicy
from mfa.models.recovery_code import RecoveryCode, RecoveryCodeSet
from mfa.models.remembered_device import RememberedDevice
from mfa.models.shredding import Shredding

__all__ = [
    "AuthenticationRequest",
    "Authenticator",
    "Challenge",
    "DataKey",
    "Delivery",
    "Enrolment",
    "Invitation",
    "KeyRotation",
    "MfaPolicy",
    "PasswordReset",
    "RecoveryCode",
    "RecoveryCodeSet",
    "RememberedDevice",
    "SendingBudget",
    "Shredding",
]
