"""x"""

from oauth2_provider.oauth2_validators import OAuth2Validator


class StepwardValidator(OAuth2Validator):
    pass
