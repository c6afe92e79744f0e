# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of the same name and shows each step as it begins; documented in plugins/modules/lab.py."""

from __future__ import annotations

import os
import tempfile
import threading
from typing import Any, Dict, Optional

from ansible import constants as C
from ansible.plugins.action import ActionBase

from ansible_collections.smallfleet.infra.plugins.module_utils._shared.quoting import visible


class ActionModule(ActionBase):
    """Long work must not be silent: a module cannot speak before it ends, so it writes to a file that is read here."""

    _supports_check_mode = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        result: Dict[str, Any] = super().run(tmp, task_vars)
        handle, path = tempfile.mkstemp(prefix="lab-progress-", dir=C.DEFAULT_LOCAL_TMP)
        os.close(handle)
        ended = threading.Event()
        teller = threading.Thread(target=self._tell, args=(path, ended), daemon=True)
        teller.start()
        try:
            arguments = {**self._task.args, "progress": path}
            result.update(self._execute_module(module_name="smallfleet.infra.lab", module_args=arguments, task_vars=task_vars))
        finally:
            ended.set()
            teller.join()
            os.unlink(path)
        return result

    def _tell(self, path: str, ended: threading.Event) -> None:
        with open(path, encoding="utf-8") as stream:
            last = False
            while not last:
                last = ended.wait(0.2)
                for line in stream:
                    self._display.display(f"  lab: {visible(line.rstrip())}")
