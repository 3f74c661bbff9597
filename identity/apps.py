from django.apps import AppConfig

from identity.primitives.imports import absent

# REST framework looks for them, 12 MB, and uses them in pages and fields that this server does not have.
with absent("markdown", "psycopg", "psycopg2", "pygments", "requests", "yaml"):
    import rest_framework.compat  # noqa: F401


class IdentityConfig(AppConfig):
    name = "identity"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Identity"

    def ready(self) -> None:
        from identity import checks  # noqa: F401  Django finds system checks by importing them.
