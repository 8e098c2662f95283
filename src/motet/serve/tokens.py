"""Tokens: who may read, write and administer a service."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from motet.errors import ConfigError, did_you_mean

SCOPES = ("read", "write", "admin")
VARIABLE = "MOTET_TOKENS"
SHORTEST = 16  # characters: of 64 letters each, more than anyone tries out over a network


class Tokens:
    """Secrets and what each allows; only their digests are kept.

    Args:
        scopes: By token. `admin` allows everything.

    Raises:
        ConfigError: If a token is short, or a scope is none.

    Example:
        >>> tokens = Tokens({"correct-horse-battery": ["read"]})
        >>> tokens.scopes("correct-horse-battery"), tokens.scopes("wrong")
        (frozenset({'read'}), frozenset())
    """

    def __init__(self, scopes: Mapping[str, list[str]]) -> None:
        self._scopes: dict[bytes, frozenset[str]] = {}
        for place, (token, allowed) in enumerate(scopes.items(), 1):
            if len(token) < SHORTEST:
                raise ConfigError(
                    f"token {place} has {len(token)} characters; give at least {SHORTEST}, drawn at random"
                )
            for scope in allowed:
                if scope not in SCOPES:
                    hint = did_you_mean(scope, SCOPES)
                    raise ConfigError(f"token {place} has the scope {scope!r}{hint}; scopes: {', '.join(SCOPES)}")
            self._scopes[_digest(token)] = frozenset(SCOPES if "admin" in allowed else allowed)

    @classmethod
    def find(cls, file: Path | None) -> Self | None:
        """Read tokens from a file, or else from the environment variable `MOTET_TOKENS`.

        Args:
            file: Lines of a token and its scopes, as in `9f86d081884c7d65 read,write`; `#` begins a comment. The
                variable holds the same, with `;` between lines.

        Returns:
            The tokens; None where there is neither.

        Raises:
            ConfigError: If the file cannot be read, holds none, or a line has another form.
        """
        if file is None:
            text = os.environ.get(VARIABLE, "").replace(";", "\n")
            return cls._parse(text, VARIABLE) if text.strip() else None
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the tokens in {file} cannot be read: {error}") from error
        return cls._parse(text, str(file))

    @classmethod
    def _parse(cls, text: str, where: str) -> Self:
        found = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if len(words) != 2:
                raise ConfigError(f"line {number} of {where} is not a token and its scopes, as in: TOKEN read,write")
            found[words[0]] = words[1].split(",")
        if not found:
            raise ConfigError(f"{where} holds no token; write lines such as: TOKEN read,write")
        return cls(found)

    def scopes(self, token: str) -> frozenset[str]:
        """What a token allows; the time it takes tells nothing of the tokens there are.

        Args:
            token: As a caller sent it.

        Returns:
            Its scopes; none where nobody has it.
        """
        asked, allowed = _digest(token), frozenset[str]()
        for digest, scopes in self._scopes.items():
            if hmac.compare_digest(digest, asked):
                allowed = scopes
        return allowed


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "backslashreplace")).digest()
