# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a subject of fuzzing declares: ``TARGETS: Dict[str, Target]`` in a module of this folder. Names are unique in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Tuple, Type


@dataclass(frozen=True)
class Target:
    """A reader of foreign text.

    ``read`` may raise ``refusals`` and nothing else, whatever the bytes are. ``seeds`` are typical inputs, from which others are derived.
    """

    read: Callable[[bytes], object]
    refusals: Tuple[Type[BaseException], ...]
    seeds: Tuple[bytes, ...]


def text(data: bytes) -> str:
    """The bytes as the product has them from a program."""
    return data.decode("utf-8", "replace")


def file(data: bytes) -> str:
    """The bytes as the product has them from a file of others."""
    return data.decode("utf-8", "surrogateescape")
