# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that name one record set."""

from __future__ import annotations


class ModuleDocFragment:
    """Used by the modules that write one record set."""

    DOCUMENTATION = r"""
options:
  zone_name:
    description: The zone that holds the set.
    type: str
    required: true
    aliases: [zone]
  record:
    description:
      - Name of the set. A name that ends in the zone's own name, or in a dot, is a whole name; any other is relative to
        the zone. V(@) is the zone itself.
      - Exactly one of O(record) and O(prefix) must be given.
    type: str
  prefix:
    description: Name of the set before the zone; an empty text is the zone itself.
    type: str
  type:
    description:
      - Type of the set, such as V(A), V(AAAA), V(CNAME), V(MX), V(NS), V(PTR), V(SRV), V(TXT), V(CAA), V(TLSA),
        V(SSHFP), V(DS), V(SVCB), V(HTTPS), V(NAPTR), V(LOC), or V(TYPE65280) for one without a name, whose values are
        then in the form V(\\# 4 C0000201) (RFC 3597). All types are listed in C(docs/dns.md) of the collection.
    type: str
    required: true
  txt_transformation:
    description:
      - Form of V(TXT) values. V(unquoted) is the text itself, of any length, without quotes around it and with nothing
        escaped. It means this text however the server has it split into strings, so a value that is there in another
        split counts as there, is left as it is, and is what V(absent) removes.
      - A list of strings in the place of one text, such as V([txtvers=1, u=root]), means exactly these strings (each
        split only after 255 bytes). A value of several strings is also returned as such a list.
      - V(quoted) is the form of a zone file, and means exactly the strings that it shows.
    type: str
    choices: [unquoted, quoted]
    default: unquoted
"""
