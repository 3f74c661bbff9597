"""Settings as served, with one empty view more."""

from config.settings.development import *  # noqa: F403  As every settings module here is written.

ROOT_URLCONF = "bench.validate_urls"
