"""Production: everything is said by the operator, nothing is made up, and an unsafe saying does not start.

Secrets may come from files: SECRET_KEY_FILE, MFA_SECRET_KEYS_FILE, DATABASE_URL_FILE, REDIS_URL_FILE, …
"""

from django.core.exceptions import ImproperlyConfigured

from config import env as environment
from config.settings.base import *
from config.settings.base import ALLOWED_HOSTS, PUBLIC_URL, REDIS_URL, TRUSTED_PROXIES, WEB_WORKERS, database

DEBUG = False
SECRET_KEY = environment.text("SECRET_KEY")
_sealing_keys, _database_url = environment.text("MFA_SECRET_KEYS"), environment.text("DATABASE_URL")

_refused = [
    sentence
    for unsafe, sentence in (
        (environment.switch("DEBUG", default=False), "DEBUG is on. Take it away: errors are told by the log."),
        (
            not SECRET_KEY,
            "SECRET_KEY is missing. Make one: python -c 'import secrets; print(secrets.token_urlsafe(64))'",
        ),
        (
            bool(SECRET_KEY) and not environment.is_random_enough(SECRET_KEY),
            "SECRET_KEY is short or a known default. Make one of 50 random characters or more.",
        ),
        (not _sealing_keys, "MFA_SECRET_KEYS is missing. Make one: deploy/make-secrets, or kid:base64-of-32-bytes."),
        (not PUBLIC_URL.startswith("https://"), "PUBLIC_URL is not https. Set it to the https address clients use."),
        (
            any("*" in host or host.startswith(".") for host in ALLOWED_HOSTS),
            "ALLOWED_HOSTS holds a wildcard. Name each host.",
        ),
        (
            not _database_url.startswith(("postgres://", "postgresql://")),
            "DATABASE_URL is not PostgreSQL. Set it to postgres://user:password@host:5432/name.",
        ),
        (
            not REDIS_URL and WEB_WORKERS > 1,
            "REDIS_URL is missing, but WEB_WORKERS is more than 1. Set it, or set WEB_WORKERS to 1.",
        ),
    )
    if unsafe
]
if _refused:
    raise ImproperlyConfigured("Stepward does not start in production:\n" + "\n".join(f"- {line}" for line in _refused))

MFA_SECRET_KEYS = environment.sealing_keys(_sealing_keys)
if any(not environment.is_random_enough(key.hex()) for key in MFA_SECRET_KEYS.values()):
    raise ImproperlyConfigured("MFA_SECRET_KEYS holds a key that is not random. Make it with deploy/make-secrets.")
DATABASES = {"default": database(_database_url)}

# `manage.py serve` runs Django's deployment checks too, and does not start past a warning.
REFUSES_WARNINGS = True

# The proxy speaks TLS and sends http to https. Whether a request came by https is believed of a proxy only.
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 365 * 86400
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
# Browsers take a cookie of this name only from this very host, over https (RFC 6265bis, 4.1.3.2).
SESSION_COOKIE_NAME = "__Host-stepward_session"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-stepward_csrf"
CSRF_COOKIE_SECURE = True

SILENCED_SYSTEM_CHECKS = [
    "security.W022",  # `config.middleware` sets Referrer-Policy by the kind of answer.
    "oauth2_provider.W008",  # Native apps are called back at http://127.0.0.1 (RFC 8252, 7.3).
    "security.W008",  # Redirecting to https is the proxy's work; nobody reaches this port but the proxy.
    "security.W021",  # Preloading binds a whole domain, which is its owner's decision and not this host's.
]
