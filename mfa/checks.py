"""System checks of mfa."""
