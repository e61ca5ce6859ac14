"""Pictures as JPEG: for the kiosk's page, and for evidence where policy keeps any."""

import cv2
import numpy as np

from models.api import BadPicture, Picture

_QUALITY = 70


def as_jpeg(picture: Picture, *, widest: int | None = None) -> bytes:
    """Write a picture as JPEG, not wider than `widest` pixels; BadPicture when it cannot be."""
    scale = 1.0 if widest is None else widest / picture.shape[1]
    if scale < 1:
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = np.asarray(small, np.uint8)
    done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise BadPicture("a picture that cannot be written as JPEG")
    return jpeg.tobytes()
