"""The texts of the pages, in the reader's language."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from runtime.messages import Language, Messages, load_messages

MESSAGES = Path(__file__).with_name("messages.toml")


@cache
def catalogue() -> Messages:
    """Read the message file once."""
    return load_messages(MESSAGES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """Gives texts in one language: `t("alarm.acknowledge")`, or `t.of("priority", "urgent")` for a value's name."""

    messages: Messages
    language: Language
    one_community: bool = False
    """The reader sees a single community, so that its name beside every place would say nothing."""

    def __call__(self, key: str, **values: object) -> str:
        """Give a text with its placeholders filled; KeyError for a key that no file has."""
        return self.messages.text(key, self.language, **values)

    def of(self, area: str, value: str) -> str:
        """Give the name of a value of an enumeration; the value itself when the catalogue does not name it."""
        plain = value.replace(" ", "_").replace("-", "_").replace(".", "_")
        keys = (f"{area}.{value}", f"{area}.{plain}")
        return next((self(key) for key in keys if key in self.messages.texts), value)

    def pick(self, zh: str, en: str) -> str:
        """Choose between two texts that came with the data."""
        return zh if self.language is Language.ZH else en


def texts(language: str) -> Texts:
    """Give the texts for a language's code; Chinese for anything but `en`."""
    return Texts(messages=catalogue(), language=Language.EN if language == "en" else Language.ZH)
