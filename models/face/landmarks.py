"""Five landmarks by dlib's ensemble of regression trees, in numpy; pure but for reading the file."""

import zipfile
from dataclasses import fields
from io import BytesIO
from pathlib import Path

import numpy as np

from models.api import ModelError, Picture, check_picture
from models.dlib.shape import ShapePredictor
from models.face.geometry import Box, Points, fit_similarity


def write_predictor(predictor: ShapePredictor) -> bytes:
    """Give the arrays as one .npz; equal predictors give equal bytes."""
    out = BytesIO()
    arrays = {one.name: getattr(predictor, one.name) for one in fields(ShapePredictor)}
    np.savez(out, **arrays)
    return out.getvalue()


def read_predictor(file: Path) -> ShapePredictor:
    """Read what `write_predictor` made; ModelError when it is something else."""
    try:
        # From memory: numpy leaves a file open that it cannot read.
        stored = np.load(BytesIO(file.read_bytes()), allow_pickle=False)
        arrays = {one.name: stored[one.name] for one in fields(ShapePredictor)}
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{file.name} is no set of landmark trees: {error}") from error
    return ShapePredictor(**arrays)


class LandmarkPredictor:
    """Places dlib's five landmarks: the outer and inner corner of each eye, then the base of the nose."""

    def __init__(self, predictor: ShapePredictor) -> None:
        self._trees = predictor
        self._reference = predictor.initial.reshape(-1, 2)
        self._depth = int(predictor.leaves.shape[2]).bit_length() - 1
        self._rows = np.arange(predictor.leaves.shape[1])

    def predict(self, picture: Picture, box: Box) -> Points:
        """Give the landmarks (5, 2) in whole pixels, as dlib does, for a face in `box`."""
        check_picture(picture)
        trees = self._trees
        # dlib takes the mean of the three channels in whole numbers for the brightness of a pixel.
        corner = np.array([box.left, box.top])
        extent = np.array([box.right - box.left, box.bottom - box.top])
        shape = trees.initial
        for cascade in range(trees.first.shape[0]):
            now = shape.reshape(-1, 2)
            turn = fit_similarity(self._reference.astype(np.float64), now.astype(np.float64)).matrix()[:, :2]
            places = trees.delta[cascade] @ turn.astype(np.float32).T + now[trees.anchor[cascade]]
            values = _brightness(picture, np.floor(corner + places * extent + 0.5).astype(np.int64))
            shape = np.add.reduce(np.concatenate([shape[None], self._votes(cascade, values)]), axis=0)
        placed: Points = np.floor(corner + shape.reshape(-1, 2) * extent + 0.5)
        return placed

    def _votes(self, cascade: int, values: np.ndarray) -> np.ndarray:
        """Walk all trees at once, from the root to a leaf."""
        trees = self._trees
        brighter = values[trees.first[cascade]] - values[trees.second[cascade]] > trees.threshold[cascade]
        node = np.zeros(self._rows.size, dtype=np.intp)
        for _ in range(self._depth):
            node = 2 * node + np.where(brighter[self._rows, node], 1, 2)
        leaves: np.ndarray = trees.leaves[cascade][self._rows, node - brighter.shape[1]]
        return leaves


def _brightness(picture: Picture, places: np.ndarray) -> np.ndarray:
    """Read the brightness at places (count, 2); 0 outside of the picture."""
    height, width = picture.shape[:2]
    x, y = places[:, 0], places[:, 1]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    pixels = picture[np.where(inside, y, 0), np.where(inside, x, 0)].astype(np.int32)
    return np.where(inside, pixels.sum(axis=1) // 3, 0).astype(np.float32)
