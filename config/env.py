"""What the environment says, read once and made into typed values (the contract's section 6).

Nothing else in the code base reads environment variables.
"""

import base64
import binascii
import ipaddress
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(os.environ.get("STEPWARD_VAR", BASE_DIR / "var"))
LOOPBACK_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

env = environ.Env()


def text(name: str, default: str = "") -> str:
    """The setting NAME, or what the file that NAME_FILE names holds, or the default. Secrets come well from files."""
    value, file = os.environ.get(name, "").strip(), os.environ.get(f"{name}_FILE", "").strip()
    if value and file:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Keep one of them.")
    if not file:
        return value or default
    try:
        return Path(file).read_text().strip() or default
    except (OSError, UnicodeDecodeError):
        raise ImproperlyConfigured(
            f"{name}_FILE names a file that cannot be read as text. Mend its path or mode."
        ) from None


def integer(name: str, default: int, *, minimum: int, maximum: int) -> int:
    """An integer setting inside its bounds; raises ImproperlyConfigured with the sentence that mends it."""
    text = os.environ.get(name, "").strip()
    try:
        value = int(text) if text else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} is not a whole number. Set it between {minimum} and {maximum}.") from None
    if not minimum <= value <= maximum:
        raise ImproperlyConfigured(f"{name} is {value}. Set it between {minimum} and {maximum}.")
    return value


def cores(root: Path = Path("/")) -> int:
    """How many cores this process may use: those that it may run on, and no more than its control groups grant.

    A container sees its own group as the topmost one; a service of systemd is in a group below (`CPUQuota=`).
    """
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    top = root / "sys/fs/cgroup"
    for group in (top, *(top / "/".join(own) for own in _control_groups(root))):
        try:
            quota, period = (group / "cpu.max").read_text().split()
            granted = min(granted, -(-int(quota) // int(period)))  # `max` is no number: there is no quota.
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return max(1, granted)


def _control_groups(root: Path) -> list[list[str]]:
    """The names that lead from the topmost group to this process's own, and to each on the way there."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    own = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "")
    names = [name for name in own.split("/") if name]
    return [] if ".." in names else [names[: at + 1] for at in range(len(names))]


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = text(name).lower() or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is none of {', '.join(allowed)}. Set it to one of them.")
    return value


def switch(name: str, *, default: bool) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if not text:
        return default
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise ImproperlyConfigured(f"{name} is neither on nor off. Set it to on or off.")


def public_url(port: int) -> str:
    """The address clients know this server by, without a slash at the end."""
    url = text("PUBLIC_URL") or f"http://localhost:{port}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ImproperlyConfigured("PUBLIC_URL is not an address. Set it like https://id.example.com.")
    return url.rstrip("/")


def allowed_hosts(public: str) -> list[str]:
    named = [_as_in_a_header(host.strip()) for host in text("ALLOWED_HOSTS").split(",") if host.strip()]
    if named:
        return named
    host = urlsplit(public).hostname or "localhost"
    if is_loopback(host):
        return sorted({*LOOPBACK_HOSTS, _as_in_a_header(host)})
    return [_as_in_a_header(host)]


def _as_in_a_header(host: str) -> str:
    """A host as `Host` names it: an IPv6 address stands in brackets (RFC 3986, 3.2.2), in its shortest spelling."""
    try:
        return f"[{ipaddress.IPv6Address(host.strip('[]'))}]"
    except ValueError:
        return host


def issuer() -> str:
    """The name above the account in an authenticator app. In a label the colon ends it, encoded or not."""
    name = text("ISSUER") or "Stepward"
    if ":" in name or not name.isprintable() or len(name) > 64:
        raise ImproperlyConfigured("ISSUER is no name for an app to show. Write up to 64 characters without a colon.")
    return name


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def kept_secret(name: str, make: str) -> str:
    """The text of the secret file `name` under var/, made once with mode 0600 and then kept.

    Two processes that start together agree: the file is linked into place whole, and only the first link wins.
    """
    path = VAR_DIR / name
    VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = VAR_DIR / f".{name}.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(make)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def sealing_keys(text: str) -> dict[str, bytes]:
    """`kid:base64-of-32-bytes[,…]` as an ordered mapping: the first key seals, all open."""
    keys: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        kid, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            key = b""
        if not kid or len(kid.encode()) > 32 or len(key) != 32 or kid in keys:
            raise ImproperlyConfigured(
                "MFA_SECRET_KEYS is malformed. Write kid:base64-of-32-bytes, entries separated by commas, "
                "each kid once and at most 32 bytes long."
            )
        keys[kid] = key
    if not keys:
        raise ImproperlyConfigured("MFA_SECRET_KEYS is empty. Write kid:base64-of-32-bytes.")
    return keys


def run_folder() -> Path | None:
    """The folder that `serve` makes for its processes, open to its user alone and gone with them; else None."""
    folder = os.environ.get("STEPWARD_RUN")
    return Path(folder) if folder and Path(folder).is_dir() else None


def say_ready() -> None:
    """Leave word for `config.supervisor` that this process has loaded; without a supervisor, nothing."""
    folder = run_folder()
    if folder:
        (folder / f"ready-{os.getppid()}-{os.getpid()}").touch()


def is_random_enough(secret: str) -> bool:
    """False for what is short, repeats itself, or stands in somebody's example."""
    told = secret.casefold()
    known = ("insecure", "changeme", "change-me", "secret", "default", "example", "password")
    return len(secret) >= 50 and len(set(secret)) >= 10 and not any(word in told for word in known)


def new_sealing_key() -> str:
    return f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}"


@dataclass(frozen=True, slots=True)
class MailServer:
    """What EMAIL_URL says, in the words of Django's settings; `backend` is empty where it says nothing."""

    backend: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    implicit_tls: bool = False
    start_tls: bool = False


def mail_server(url: str) -> MailServer:
    """`smtp://user:pass@host:port`, `smtps://` (implicit TLS) or `smtp+tls://` (STARTTLS); user and password may be
    percent-encoded."""
    if not url:
        return MailServer()
    ports = {"smtp": 25, "smtps": 465, "smtp+tls": 587}
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in ports or not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ImproperlyConfigured("EMAIL_URL names no mail server. Write smtp+tls://user:password@host:port.")
    return MailServer(
        "django.core.mail.backends.smtp.EmailBackend",
        host,
        port or ports[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        parts.scheme == "smtps",
        parts.scheme == "smtp+tls",
    )


def from_address(public: str) -> str:
    """The sender of messages where DEFAULT_FROM_EMAIL is not set: an address of the host that clients know."""
    host = urlsplit(public).hostname or "localhost"
    return f"sign-in@{f'[{host}]' if ':' in host else host}"
