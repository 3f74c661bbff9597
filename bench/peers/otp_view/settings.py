"""django-otp with its TOTP plugin, throttling and lock, and Django's sessions, as its documentation sets it up."""

import common

globals().update(
    common.settings(
        "otp_view",
        ["django.contrib.sessions", "rest_framework", "django_otp", "django_otp.plugins.otp_totp"],
        [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django_otp.middleware.OTPMiddleware",
        ],
    )
)
