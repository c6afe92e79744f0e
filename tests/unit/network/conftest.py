# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the network share."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from .namespace import Namespace
from .rollback_host import Host


@pytest.fixture(scope="module", name="namespace")
def fixture_namespace() -> Iterator[Namespace]:
    found = Namespace()
    if found.holder.poll() is not None:
        pytest.skip("this user may not make a network namespace")
    yield found
    found.close()


@pytest.fixture(name="host")
def fixture_host(tmp_path: Path) -> Iterator[Host]:
    namespace = Namespace()
    if namespace.holder.poll() is not None:
        pytest.skip("this user may not make a network namespace")
    yield Host(namespace, tmp_path)
    namespace.close()
