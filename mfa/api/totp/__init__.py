"""The stateless calls for new callers: JSON in the body, clear errors, nothing kept."""
