"""How Django's sessions know who somebody is: only by a sign-in that has already been completed."""

from django.contrib.auth.backends import BaseBackend

from identity.models import User


class CompletedSignInBackend(BaseBackend):
    """Finds the user of a session. It authenticates nobody: `mfa.flows.sign_in` does, and nothing else."""

    def get_user(self, user_id: int) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()
