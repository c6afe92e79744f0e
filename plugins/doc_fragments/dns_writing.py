# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is true of every module that sends updates."""

from __future__ import annotations


class ModuleDocFragment:
    """Used by the modules that write record sets."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    description:
      - Only questions are sent, and no update. The exception is a set that the server's answers cannot show, at or below a
        delegation for example, in a zone that the key may not transfer; the server is asked for that by updates that
        consist of conditions and change nothing.
  idempotent:
    support: full
    description: A second run finds nothing to change and sends no update.
notes:
  - Every update carries, in the same message, the condition that what it changes is still as it was read
    (RFC 2136, section 2.4). When another writer was faster, the server does nothing.
  - What is read is what the zone holds, which is not always what its server answers. A set that cannot be read is a
    failure with C(reason=not_readable).
  - After an update the server is read again. An answer of C(NOERROR) alone is not believed, since servers give it
    for changes that they leave out.
"""
