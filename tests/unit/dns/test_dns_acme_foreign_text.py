# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the certificate program of a host prints, and keys from another host, may be anything."""

from __future__ import annotations

from typing import Optional, Sequence

import pytest
from fakes import FakeFiles

from ansible_collections.smallfleet.infra.plugins.module_utils._certificates.certificates_host import AcmeFailure, AcmeHost
from ansible_collections.smallfleet.infra.plugins.module_utils._dns.keys.bundle import BadBundle, read_bundle
from ansible_collections.smallfleet.infra.plugins.module_utils._system.command import CommandResult


class Prints:
    """Every command prints the same."""

    def __init__(self, stdout: str) -> None:
        self._stdout = stdout

    def run(self, argv: Sequence[str], *, stdin: Optional[str] = None, check: bool = True) -> CommandResult:
        return CommandResult(tuple(argv), 0, self._stdout, "")


@pytest.mark.parametrize("printed", ["", "a warning\n[]", "7", "{}{}", "[" * 1200, '["web"]', '[{"name": "other"}]', '[{"name": []}]'])
def test_what_is_not_a_list_of_the_certificates_is_a_failure_with_a_remedy(printed: str) -> None:
    host = AcmeHost(Prints(printed), FakeFiles(), "")
    with pytest.raises(AcmeFailure, match="smallfleet-acme status.*See that nothing else writes to its output"):
        host.status({"web": {"name": "web"}})


@pytest.mark.parametrize("text", ["", "[", "7", "[" * 1200, '{"home": 1}', '{"home": "a", "keys": 7}', '{"home": "a", "keys": {"x": 7}}'])
def test_keys_in_another_form_are_refused(text: str) -> None:
    with pytest.raises(BadBundle):
        read_bundle(text, [])
