"""The WSGI application, as privacyIDEA's own deployment files make it."""

from pathlib import Path

from privacyidea.app import create_app

application = create_app("production", str(Path(__file__).with_name("pi_cfg.py")), silent=True, initialize_hsm=True)
