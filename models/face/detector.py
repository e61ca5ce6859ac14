"""What every detector of faces is to the rest."""

from typing import Protocol

from models.api import Picture
from models.face.geometry import Face


class FaceDetector(Protocol):
    """Finds faces in a picture."""

    def detect(self, picture: Picture) -> tuple[Face, ...]:
        """Find faces, the best first; BadPicture for what is no picture."""
        ...
