"""Browsers by the names that people know them by."""

import pytest

from mfa.primitives.user_agents import described

ENGINE = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0) {ENGINE} Chrome/138.0 Safari/537.36 Edg/138.0", "Edge, Windows"),
        (f"Mozilla/5.0 (Linux; Android 15) {ENGINE} Chrome/138.0 Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.5 Safari/605.1.15", "Safari, Mac"),
        ("python-httpx/0.28.1", "python-httpx"),
        ("", ""),
        ("\x1b[31mevil\x07 Windows", "[31mevil"),
        ("x" * 200, "x" * 40),
    ],
)
def test_a_user_agent_is_described(user_agent: str, name: str) -> None:
    assert described(user_agent) == name
