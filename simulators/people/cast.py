"""Who plays whom: residents, visitors and strangers, each a number of `looks`. Pure."""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """What somebody is to the community."""

    RESIDENT = "resident"
    VISITOR = "visitor"
    STRANGER = "stranger"


MOST: Mapping[Role, int] = {Role.RESIDENT: 200, Role.VISITOR: 20, Role.STRANGER: 40}
"""How many there are of each."""
_FIRST: Mapping[Role, int] = {Role.RESIDENT: 0, Role.VISITOR: 200, Role.STRANGER: 220}

# fmt: off
CAST: tuple[int, ...] = (
    0, 1, 2, 4, 6, 8, 9, 11, 12, 13, 14, 15, 16, 18, 21, 23, 24, 25, 26, 27, 29, 31, 34, 36, 40, 41, 44, 45, 46,
    47, 48, 49, 56, 57, 58, 60, 63, 65, 70, 73, 74, 78, 83, 88, 91, 97, 98, 101, 102, 103, 106, 107, 108, 109,
    113, 114, 115, 116, 118, 119, 122, 124, 129, 133, 135, 139, 145, 149, 150, 152, 155, 156, 157, 158, 159,
    163, 165, 167, 168, 178, 181, 182, 184, 187, 189, 194, 196, 200, 204, 205, 208, 209, 212, 216, 224, 225,
    228, 229, 231, 232, 233, 238, 243, 245, 251, 256, 259, 270, 271, 274, 278, 279, 282, 284, 286, 288, 289,
    295, 296, 301, 306, 307, 309, 321, 328, 329, 332, 341, 344, 353, 358, 362, 366, 367, 370, 371, 374, 380,
    390, 392, 398, 401, 405, 409, 425, 426, 433, 439, 441, 443, 453, 472, 476, 478, 479, 480, 482, 495, 509,
    511, 512, 515, 516, 518, 519, 526, 540, 544, 546, 550, 559, 560, 561, 563, 573, 583, 584, 585, 594, 607,
    611, 613, 619, 620, 622, 632, 635, 648, 649, 652, 653, 654, 657, 660, 663, 667, 670, 671, 683, 687, 689,
    690, 694, 695, 698, 699, 702, 708, 711, 713, 716, 723, 724, 727, 728, 744, 749, 751, 759, 773, 775, 776,
    779, 804, 807, 809, 810, 817, 818, 831, 832, 833, 835, 841, 843, 855, 856, 857, 858, 864, 866, 869, 894,
    899, 901, 911, 914, 919, 920, 923, 930, 941, 947, 950, 951, 957, 961, 962, 965, 966,
)
# fmt: on
"""Looks that were chosen: of the first thousand, in their order, each whose takes the real recogniser of dlib holds
together (at most 0.30 apart) and away from everybody chosen before (at least 0.38). `linli bench people` measures these
and, beside them, people as they come."""


def look_number(role: Role, number: int) -> int:
    """Give the look of somebody by role and number, from 1."""
    if not 1 <= number <= MOST[role]:
        raise ValueError(f"there is no {role.value} {number}")
    return CAST[_FIRST[role] + number - 1]
