# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for the pip bootstrap script that ansible-test would download: the pip that comes with Python installs the one it names.

That pip runs from its wheel, as in ensurepip, which would install it first.
"""

from __future__ import annotations

import ensurepip
import runpy
import sys
import sysconfig
from pathlib import Path

OWN_OPTIONS = ("--no-setuptools", "--no-wheel")

# Debian keeps the wheels in a folder of its own.
wheels = Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or Path(ensurepip.__file__).with_name("_bundled"))
sys.path.insert(0, str(max(wheels.glob("pip-*.whl"))))
sys.argv = ["pip", "install", *(word for word in sys.argv[1:] if word not in OWN_OPTIONS)]
runpy.run_module("pip", run_name="__main__")
