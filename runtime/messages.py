"""Texts that people read, in Chinese and English, from TOML files beside the pages that show them."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from runtime.config import ConfigError, Problem, read_toml


class Language(StrEnum):
    """A language that every text exists in."""

    ZH = "zh"
    EN = "en"


@dataclass(frozen=True, slots=True)
class Messages:
    """A message catalogue: dotted key to text by language."""

    texts: dict[str, dict[Language, str]]

    def text(self, key: str, language: Language, **values: object) -> str:
        """Give a text with its `{placeholders}` filled; KeyError when no file has the key (a test looks for that)."""
        return self.texts[key][language].format(**values)


def load_messages(*files: Path) -> Messages:
    """Read message files (`[area]` tables of `key = { zh = "…", en = "…" }`); ConfigError for a missing language."""
    texts: dict[str, dict[Language, str]] = {}
    for file in files:
        for area, table in read_toml(file).items():
            for name, entry in table.items():
                key = f"{area}.{name}"
                try:
                    texts[key] = {language: str(entry[language.value]) for language in Language}
                except (KeyError, TypeError) as error:
                    problem = Problem(key=key, message="not in both languages", remedy="give `zh` and `en`")
                    raise ConfigError(file, (problem,)) from error
    return Messages(texts)
