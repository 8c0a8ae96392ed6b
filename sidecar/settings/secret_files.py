"""Secrets that stand in the configuration or in a file of their own, as container platforms mount them."""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from sidecar.settings.errors import Problem

_LARGEST = 64 * 1024
_LENGTH = 32
_VARIETY = 8


def unguessable(secret: str) -> bool:
    """It travels in a header, and the likes of 32 equal characters are no secret."""
    return len(secret) >= _LENGTH and len(set(secret)) >= _VARIETY and re.fullmatch(r"[!-~]+", secret) is not None


@dataclass(frozen=True, slots=True)
class Secrets:
    base: Path
    """Where relative paths start."""
    problems: list[Problem]
    withheld: bool = False
    """Read none, and give a placeholder for each: for what must not depend on secrets."""

    def read(self, key: str, value: SecretStr | None, file: str) -> str:
        """The secret called `key` or what the file of `key`_file holds; empty when neither is given or one is wrong."""
        if self.withheld:
            return "withheld" if file or value is not None else ""
        if value is not None and file:
            return self._refuse(key, f"is given twice; remove it or `{key}_file`")
        if value is not None:
            found = value.get_secret_value()
            return found or self._refuse(key, f"is empty; give a value, or a file by `{key}_file`")
        if not file:
            return ""
        path = self.base / file
        try:
            found = path.read_text(encoding="utf-8")[:_LARGEST].rstrip("\r\n")
        except OSError as error:
            return self._refuse(f"{key}_file", f"{path} cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            return self._refuse(f"{key}_file", f"{path} is not UTF-8 text")
        return found or self._refuse(f"{key}_file", f"{path} is empty")

    def _refuse(self, key: str, text: str) -> str:
        self.problems.append(Problem(key, text))
        return ""
