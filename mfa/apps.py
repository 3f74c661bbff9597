from django.apps import AppConfig


class MfaConfig(AppConfig):
    name = "mfa"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Multi-factor authentication"

    def ready(self) -> None:
        from mfa import checks  # noqa: F401  Django finds system checks by importing them.
