"""System checks of identity."""
