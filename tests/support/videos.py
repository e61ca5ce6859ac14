"""Small video files, drawn and written by OpenCV: what stands for a webcam in tests."""

from pathlib import Path

import cv2
import numpy as np

SHADES = tuple(range(40, 220, 20))


def write_video(file: Path, *, width: int = 640, height: int = 480, rate: float = 10.0) -> Path:
    """Write a Motion JPEG video whose pictures are shades of grey, each of them for two pictures."""
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), rate, (width, height))
    assert writer.isOpened()
    try:
        for shade in SHADES:
            for _ in range(2):
                writer.write(np.full((height, width, 3), shade, np.uint8))
    finally:
        writer.release()
    return file
