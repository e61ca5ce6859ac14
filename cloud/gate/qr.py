"""QR codes as SVG. The encoder comes with OpenCV, which is heavy: it is loaded when the first code is drawn."""

from functools import lru_cache

_QUIET = 4
"""Modules of white around a code, as ISO/IEC 18004 wants them."""


@lru_cache(maxsize=64)
def qr_svg(text: str) -> str:
    """Draw a text as a QR code (error correction M): an SVG that is as large as where it stands. Blocking."""
    import cv2  # noqa: PLC0415 - see above
    import numpy as np  # noqa: PLC0415 - likewise

    how = cv2.QRCodeEncoder.Params()
    how.correction_level = cv2.QRCodeEncoder_CORRECT_LEVEL_M
    dark = np.asarray(cv2.QRCodeEncoder.create(how).encode(text)) == 0
    rows, columns = dark.any(axis=1).nonzero()[0], dark.any(axis=0).nonzero()[0]
    code = dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # without the encoder's own margin
    side = code.shape[0] + 2 * _QUIET
    path = "".join(f"M{column + _QUIET} {row + _QUIET}h1v1h-1z" for row, column in zip(*code.nonzero(), strict=True))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{side}v{side}H0z"/><path d="{path}"/></svg>'
    )
