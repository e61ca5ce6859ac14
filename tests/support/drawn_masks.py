"""Masks drawn over photographs: plain, folded, patterned, near the colour of skin; by the bare face's landmarks."""

import cv2
import numpy as np

from models.api import Picture
from models.face.frame import FaceFrame, mapped

COLOURS: dict[str, tuple[int, int, int]] = {
    "light blue": (216, 184, 140),
    "white": (235, 235, 235),
    "black": (35, 32, 32),
    "grey": (130, 130, 128),
    "pink": (190, 170, 235),
    "red": (50, 45, 170),
    "green": (120, 160, 100),
    "navy": (95, 55, 35),
    "beige": (165, 190, 215),
    "stripes": (200, 200, 205),
    "flowers": (160, 150, 190),
}
_OUTLINE = ((-0.98, 0.42), (-0.5, 0.36), (0.0, 0.24), (0.5, 0.36), (0.98, 0.42), (0.95, 1.05), (0.62, 1.75), (0.0, 2.0))
_LEFT_SIDE = ((-0.62, 1.75), (-0.95, 1.05))


def wear(picture: Picture, frame: FaceFrame, kind: str, seed: int = 0) -> Picture:
    """Draw a mask of a kind over nose and mouth; the fit, the folds and the light are by the seed."""
    chance = np.random.default_rng([seed, list(COLOURS).index(kind)])
    points = np.array((*_OUTLINE, *_LEFT_SIDE)) * (1, 1) + chance.normal(0, 0.03, (10, 2))
    points[:, 1] += chance.uniform(-0.06, 0.08)
    corners = mapped(frame.matrix(), points)
    height, width = picture.shape[:2]
    cover = np.zeros((height, width), np.uint8)
    cv2.fillPoly(cover, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(cover, (0, 0), max(0.5, 0.02 * frame.eye_distance)).astype(np.float32)[..., None] / 255
    return np.clip(picture * (1 - soft) + _cloth(picture, frame, kind, chance) * soft, 0, 255).astype(np.uint8)


def _cloth(picture: Picture, frame: FaceFrame, kind: str, chance: np.random.Generator) -> np.ndarray:
    height, width = picture.shape[:2]
    back = np.linalg.inv(np.vstack([frame.matrix(), [0, 0, 1]]))
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    x = back[0, 0] * columns + back[0, 1] * rows + back[0, 2]
    y = back[1, 0] * columns + back[1, 1] * rows + back[1, 2]
    colour = np.broadcast_to(np.array(COLOURS[kind], np.float32), (height, width, 3)).copy()
    if kind == "stripes":
        colour[np.sin(x * 22) > 0] = (150, 90, 60)
    if kind == "flowers":
        colour[(np.sin(x * 17 + 2 * np.sin(y * 9)) * np.sin(y * 15)) > 0.45] = (60, 140, 220)
    folds = 1 + 0.06 * np.sin(y * chance.uniform(12, 20)) * (chance.random() < 0.7)
    # The light on the cloth is that on the face: brighter on the side where the face is.
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (0, 0), 0.5 * frame.eye_distance)
    face = mapped(frame.matrix(), np.array([(0.0, 0.2)]))[0]
    level = float(grey[int(np.clip(face[1], 0, height - 1)), int(np.clip(face[0], 0, width - 1))])
    light = np.clip(grey / max(level, 1.0), 0.5, 1.4) * np.clip(level / 150, 0.35, 1.3)
    grain = cv2.GaussianBlur(chance.normal(0, 6, (height, width)).astype(np.float32), (0, 0), 0.6)
    return np.asarray(colour * (light * folds)[..., None] + grain[..., None])
