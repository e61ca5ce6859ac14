"""SFace, opencv-zoo's recogniser: the face warped to 112 x 112. Facts: opencv_zoo, face_recognition_sface."""

import cv2
import numpy as np

from models.api import Floats, ModelError, Network, Picture, check_picture
from models.face.geometry import Points, fit_similarity

SIDE = 112
TARGETS: Points = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
"""Where YuNet's five landmarks go."""


class SFaceRecogniser:
    """Describes a warped face by a vector of length 1; faces are compared by their cosine."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def describe(self, chip: Picture) -> Floats:
        """Give the template (128,) of a chip (112, 112, 3); ModelError when the network gives no direction."""
        if check_picture(chip).shape != (SIDE, SIDE, 3):
            raise ModelError(f"SFace takes {SIDE} x {SIDE} pixels, not {chip.shape[1]} x {chip.shape[0]}")
        # The network was trained on red, green, blue from 0 to 255; fed with BGR it still answers, only worse.
        blob = np.ascontiguousarray(chip[:, :, ::-1].transpose(2, 0, 1)[None], dtype=np.float32)
        (values,) = self._network.run({"data": blob}).values()
        vector = values.reshape(-1)
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0:
            raise ModelError("SFace gave no direction for this face")
        return vector / np.float32(length)


def warp(picture: Picture, landmarks: Points) -> Picture:
    """Give the chip (112, 112, 3) for YuNet's five landmarks, black where it leaves the picture.

    ValueError when the landmarks coincide.
    """
    matrix = fit_similarity(landmarks, TARGETS).matrix()
    chip = cv2.warpAffine(check_picture(picture), matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    return np.asarray(chip, dtype=np.uint8)
