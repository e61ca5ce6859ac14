"""The texts of the page, in both languages at once: the page switches without asking."""

from pathlib import Path

from runtime.messages import Messages, load_messages

_HERE = Path(__file__).parent


def load_texts() -> Messages:
    """Read the kiosk's own texts and the sentences of the gate's reasons."""
    return load_messages(_HERE / "messages.toml", _HERE.parent / "messages.toml")


def as_table(messages: Messages) -> dict[str, dict[str, str]]:
    """Give key to text by language; placeholders stay as they are, the page fills them."""
    return {key: {language.value: text for language, text in by.items()} for key, by in messages.texts.items()}
