"""What every installation has in common. Values from outside come through `config.env` (the contract's section 6)."""

from typing import Any

from config import env as environment

BASE_DIR = environment.BASE_DIR
VAR_DIR = environment.VAR_DIR
RUN_DIR = environment.run_folder()

PORT = environment.integer("PORT", 5000, minimum=1, maximum=65535)
PUBLIC_URL = environment.public_url(PORT)
BIND_ADDRESS = environment.text("BIND_ADDRESS") or "0.0.0.0"  # noqa: S104  Hosts are checked by name.
ALLOWED_HOSTS = environment.allowed_hosts(PUBLIC_URL)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
TRUSTED_PROXIES = environment.integer("TRUSTED_PROXIES", 0, minimum=0, maximum=10)
RATE_LIMIT = environment.integer("RATE_LIMIT", 6000, minimum=0, maximum=10_000_000)
METRICS_TOKEN = environment.text("METRICS_TOKEN")
WORKER_METRICS_PORT = environment.integer("WORKER_METRICS_PORT", 0, minimum=0, maximum=65535)
REDIS_URL = environment.text("REDIS_URL")
EMAIL_URL = environment.text("EMAIL_URL")
SMS_URL = environment.text("SMS_URL")
ISSUER = environment.issuer()
# Development shows a text message where no gateway is named; elsewhere it is refused.
SMS_TO_CONSOLE = False
STATELESS_API = environment.switch("STATELESS_API", default=True)
STATELESS_SECRET_MODE = environment.choice("STATELESS_SECRET_MODE", "documented", ("documented", "legacy"))
REQUEST_LIFETIME = environment.integer("REQUEST_LIFETIME", 600, minimum=60, maximum=3600)
OTP_LIFETIME = environment.integer("OTP_LIFETIME", 60, minimum=60, maximum=300)
LINK_LIFETIME = environment.integer("LINK_LIFETIME", 90, minimum=60, maximum=240)
WEB_WORKERS = environment.integer("WEB_WORKERS", 2, minimum=1, maximum=256)
WEB_THREADS = environment.integer("WEB_THREADS", 8, minimum=1, maximum=256)

# Argon2id as OWASP recommends it; one hash takes 19 MiB, so the slots bound the memory a burst may take.
PASSWORD_ARGON2 = {"memory_cost": 19456, "time_cost": 2, "parallelism": 1}
# As many hashes at a time as there are cores, in all processes together: more only empty each other's caches (0058).
PASSWORD_HASH_SLOTS = environment.integer(
    "PASSWORD_HASH_SLOTS", min(64, max(1, environment.cores() // WEB_WORKERS)), minimum=1, maximum=64
)
PASSWORD_HASH_QUEUE = environment.integer("PASSWORD_HASH_QUEUE", 64, minimum=1, maximum=4096)

ACCESS_TOKEN_LIFETIME = environment.integer("ACCESS_TOKEN_LIFETIME", 600, minimum=60, maximum=86400)
REFRESH_TOKEN_LIFETIME = environment.integer("REFRESH_TOKEN_LIFETIME", 14 * 86400, minimum=600, maximum=400 * 86400)
OTEL_EXPORTER_OTLP_ENDPOINT = environment.text("OTEL_EXPORTER_OTLP_ENDPOINT")
AUDIT_RETENTION_DAYS = environment.integer("AUDIT_RETENTION_DAYS", 400, minimum=0, maximum=36500)

INSTALLED_APPS = [
    "config.admin_site.StepwardAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "oauth2_provider",
    "identity",
    "mfa",
]

MIDDLEWARE = [
    "config.middleware.RequestContextMiddleware",
    "config.middleware.CallsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "config.middleware.PageLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "identity.web.browser_session.EndedSessionMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.middleware.UnavailableMiddleware",
]
if OTEL_EXPORTER_OTLP_ENDPOINT:
    # Inside of the layer that gives a trace id. Without an endpoint the module is not imported, let alone the library.
    MIDDLEWARE.insert(1, "config.telemetry.TraceMiddleware")

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before the apps' own: the panel's frame stands in for the one that Django's admin brings.
        "DIRS": [BASE_DIR / "mfa" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

AUTH_USER_MODEL = "identity.User"
AUTHENTICATION_BACKENDS = ["identity.web.backend.CompletedSignInBackend"]
PASSWORD_HASHERS = ["identity.argon2_hasher.Argon2Hasher"]
LOGIN_URL = "/account/sign-in"
LOGIN_REDIRECT_URL = "/account/"

# Transactions are opened where they are needed: a raised exception must not roll back a failure counter.
ATOMIC_REQUESTS = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français"), ("de", "Deutsch"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "mfa" / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
WHITENOISE_USE_FINDERS = True

# The body limit of the contract; a larger one is refused with 413 before it is read.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
APPEND_SLASH = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "config.logs.formatter"}},
    "handlers": {"stdout": {"()": "config.logs.Output", "stream": "ext://sys.stdout", "formatter": "json"}},
    # Libraries are heard when something is wrong; what they say besides, nobody has looked through for secrets.
    "root": {"handlers": ["stdout"], "level": "WARNING"},
    "loggers": {
        "stepward": {"level": "INFO"},
        # These write paths and hosts as they came in; `config.middleware` and `config.logs` say the same without them.
        "django.request": {"level": "CRITICAL", "propagate": False},
        "django.security": {"level": "CRITICAL", "propagate": False},
        "django.server": {"level": "CRITICAL", "propagate": False},
        "oauth2_provider": {"level": "CRITICAL", "propagate": False},
        "oauthlib": {"level": "CRITICAL", "propagate": False},
        # It writes the number, the address and the URL of the gateway.
        "apprise": {"level": "CRITICAL", "propagate": False},
        # It writes the path of a gateway that it could not reach, and in that path stands the number.
        "urllib3": {"level": "CRITICAL", "propagate": False},
    },
}

_mail = environment.mail_server(EMAIL_URL)
EMAIL_BACKEND = _mail.backend
EMAIL_HOST = _mail.host
EMAIL_PORT = _mail.port
EMAIL_HOST_USER = _mail.user
EMAIL_HOST_PASSWORD = _mail.password
EMAIL_USE_SSL = _mail.implicit_tls
EMAIL_USE_TLS = _mail.start_tls
EMAIL_TIMEOUT = 10  # Seconds for each step of the conversation with the mail server.
DEFAULT_FROM_EMAIL = environment.text("DEFAULT_FROM_EMAIL") or environment.from_address(PUBLIC_URL)

CELERY_APP = "config.celery.app"

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_NAME = "stepward_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
CSRF_COOKIE_NAME = "stepward_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = None  # `config.middleware` sets it, by the kind of answer.
CSRF_FAILURE_VIEW = "mfa.web.errors.csrf_failure"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser", "rest_framework.parsers.FormParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "identity.api.problems.exception_handler",
    # `?format=` would be a parameter of every call that no document names; `Accept` says the same.
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Stepward",
    "DESCRIPTION": "A self-hosted, stateful MFA identity server.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "displayRequestDuration": True, "validatorUrl": None},
    "COMPONENT_SPLIT_REQUEST": True,
    "PREPROCESSING_HOOKS": ["config.openapi.readable_paths"],
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "config.openapi.complete"],
}

MIGRATION_MODULES = {"oauth2_provider": "identity.oauth.migrations"}
OAUTH2_PROVIDER_APPLICATION_MODEL = "identity.Client"
OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL = "identity.AccessToken"
OAUTH2_PROVIDER_REFRESH_TOKEN_MODEL = "identity.RefreshToken"
OAUTH2_PROVIDER_GRANT_MODEL = "identity.Grant"
OAUTH2_PROVIDER_ID_TOKEN_MODEL = "identity.IDToken"
OAUTH2_PROVIDER = {
    "OAUTH2_VALIDATOR_CLASS": "identity.oauth.validator.StepwardValidator",
    "SCOPES_BACKEND_CLASS": "identity.oauth.scopes.ClientScopes",
    "ACCESS_TOKEN_EXPIRE_SECONDS": ACCESS_TOKEN_LIFETIME,
    "REFRESH_TOKEN_EXPIRE_SECONDS": REFRESH_TOKEN_LIFETIME,
    "ROTATE_REFRESH_TOKEN": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
    "PKCE_REQUIRED": True,
    "OIDC_ENABLED": False,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https", "http"],
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    # The password grant itself goes through our own ceremony and never through the library's.
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
}


def database(url: str) -> dict[str, Any]:
    """Django's description of the database at `url`, with what each engine needs to be safe under concurrency.

    What the URL asks for behind its `?` goes to the driver: `sslmode=verify-full` must not get lost on the way.
    """
    found: dict[str, Any] = dict(environment.env.db_url_config(url))
    # Whatever the address says of these: a refusal that rolls a request back must not take back what it has counted.
    found |= {"ATOMIC_REQUESTS": False, "AUTOCOMMIT": True}
    if found["ENGINE"].endswith("sqlite3"):
        found["OPTIONS"] = {
            **found.get("OPTIONS", {}),
            # A reader never waits for the writer (WAL); a writer takes its lock when it begins, not half-way.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
        }
    else:
        found["CONN_MAX_AGE"] = 0  # A pool lends a connection for one request only.
        found["OPTIONS"] = {
            **found.get("OPTIONS", {}),
            "pool": {"min_size": 2, "max_size": WEB_THREADS + 4, "timeout": 5},
            # A statement is planned once a connection: half of PostgreSQL's work for a sign-in was planning.
            "server_side_binding": True,
            "prepare_threshold": 2,
        }
    return found


def caches(redis_url: str) -> dict[str, Any]:
    """Redis where there is one. What drops its packets must not hold who asks: a probe, a sweep, a page about keys."""
    if redis_url:
        patience = {"socket_connect_timeout": 1, "socket_timeout": 1}  # seconds
        redis = "django.core.cache.backends.redis.RedisCache"
        return {"default": {"BACKEND": redis, "LOCATION": redis_url, "OPTIONS": patience}}
    return {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


CACHES = caches(REDIS_URL)
