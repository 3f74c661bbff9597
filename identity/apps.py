from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "identity"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Identity"

    def ready(self) -> None:
        from identity import checks  # noqa: F401  Django finds system checks by importing them.
