"""privacyIDEA's configuration file: a pool, its Redis cache, and the same Argon2 parameters for a token's PIN."""

import os
from pathlib import Path

_folder = Path(os.environ["FOLDER"])
SECRET_KEY = os.environ["SECRET_KEY"]
PI_PEPPER = os.environ["SECRET_KEY"][:16]
SQLALCHEMY_DATABASE_URI = os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg://", 1)
SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": int(os.environ["THREADS"]) + 2}
PI_AUDIT_SQL_OPTIONS = SQLALCHEMY_ENGINE_OPTIONS
PI_ENCFILE = str(_folder / "enckey")
PI_AUDIT_KEY_PRIVATE = str(_folder / "private.pem")
PI_AUDIT_KEY_PUBLIC = str(_folder / "public.pem")
PI_AUDIT_NO_PRIVATE_KEY_CHECK = True  # A known key need not be proved again at each request; its documentation says so.
PI_RESPONSE_NO_PRIVATE_KEY_CHECK = True
PI_LOGFILE = str(_folder / "privacyidea.log")
PI_LOGLEVEL = 30
PI_HASH_ALGO_LIST = ["argon2"]
PI_HASH_ALGO_PARAMS = {"argon2__rounds": 2, "argon2__memory_cost": 19456, "argon2__parallelism": 1}
PI_REDIS_URL = os.environ["REDIS_URL"]
PI_REDIS_CACHE_USERS = True
PI_REDIS_CACHE_CHALLENGES = True
PI_NODE = "bench"
PI_NODE_UUID = "8e4272a9-9037-40df-8aa3-976e4a04b5a8"
SUPERUSER_REALM = ["super"]
PI_ENGINE_REGISTRY_CLASS = "shared"  # Resolvers keep their connections, too.
