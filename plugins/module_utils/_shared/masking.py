# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text of a host as a result, a diff or an error may carry it: every secret in it is replaced by ``***``.

The formats are interfaces(5), netplan-yaml(5), keyfiles and systemd units (nm-settings-keyfile(5), systemd.syntax(7)), the
configurations of BIND and Knot, authorized_keys (sshd(8)) and libvirt's XML. Where it is not sure what a value is, it is masked.
"""

from __future__ import annotations

import re
from typing import Callable, Iterator, List, Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

MASK = "***"
_SECRET = re.compile(r"psk|pass|pwd|secret|key|token|cookie|credential|wep|leap|cak$|puk$|otp$|private|authorization|auth(data|code)|enc(ryption)?$")
_SECRET_WORDS = frozenset(("pin", "pw", "cak", "sak", "sae", "enc", "auth", "aead", "crypt", "otp"))
_HARMLESS = re.compile(r".*(ssid|flags|type|mgmt|management|keyid|idx|keepalive|publickey|validto)|public|passive.*|.*passthrough.*|.*bypass.*|keymap")
_LONG = re.compile(r"(?<![\w+/])(?:(?=[a-z0-9+/]*[A-Z])(?=[A-Z0-9+/]*[a-z])(?=[A-Za-z+/]*[0-9])[A-Za-z0-9+/]{40,}={0,2}|(?:0x)?[0-9A-Fa-f]{26,})(?![\w+/=])")
_USER = re.compile(r"(?<=://)[^/\s@]*:[^/\s]*@")
_WORDS = re.compile(r"[A-Za-z0-9_.+-]+")
_PRIVATE = re.compile(r"-----(BEGIN|END) [A-Z0-9 ]*PRIVATE KEY-----")
_COMMAND_KEYS = frozenset(("up", "pre-up", "post-up", "down", "pre-down", "post-down"))
_PROGRAMS = frozenset("ip bridge route ifconfig brctl ethtool sysctl modprobe ifenslave vconfig tc nft iptables ip6tables true false sleep".split())
_KERNEL_VALUE = re.compile(r"echo [0-9]+ > ?/(?:proc/sys|sys)/\S+")
_SUBSTITUTION = re.compile(r"`|\$\(")
_SHELL = re.compile(r"(\s*(?:\|\||&&|;|\|)\s*)")
_YAML_KEY = re.compile(r"""(?P<quote>["']?)(?P<key>[A-Za-z0-9_.\\-]+)(?P=quote)\s*:(?=\s|$|["'{\[])""")
_YAML_ANCHOR = re.compile(r"(?:^|\s)&\S+\s+\S")
_SERVER_SECRET = re.compile(r"(\bsecret\b\s*:?\s*)(\"[^\"]*\"|'[^']*'|[^;\s]+)", re.IGNORECASE)
_QUOTED_SECRET = re.compile(r"(\b(?:secret|password|passphrase|psk)\s+)(?:\"[^\"\n]*\"|'[^'\n]*')", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_PAIR = re.compile(r"""(?P<key>[A-Za-z_][\w.:-]*)(?P<sign>["']?[ \t]*[=:][ \t]*)(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,;]+)""")
# Texts of libvirt's elements that are known to be no secret; formatdomain.html.
_XML_TEXTS = frozenset(
    "name uuid genid memory currentMemory maxMemory vcpu iothreads type loader nvram kernel initrd dtb emulator model vendor driver "
    "backend on_poweroff on_reboot on_crash on_lockfailure partition address locked shares quota period cbitpos reducedPhysBits "
    "policy".split()
)
_XML_HIDDEN = frozenset(("metadata", "sysinfo", "commandline", "cookies", "keywrap"))
_XML_NAMES = frozenset(("secret", "cookie", "initenv"))


def lines_of(text: str) -> List[str]:
    """The lines with their ends. Only a line feed ends one: other programs take no U+2028 or form feed for that."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def is_secret(name: str) -> bool:
    """Whether the value of an option with this name is a secret, such as wpa-psk, PrivateKey or wireless-key1."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if _HARMLESS.fullmatch(plain):
        return False
    return bool(_SECRET.search(plain)) or not _SECRET_WORDS.isdisjoint(re.split(r"[^a-z0-9]+", name.lower()))


def looks_like_secret(text: str) -> bool:
    """Whether a text that should be a name is rather a key: base64 (RFC 4648) of at least 15 bytes with what no name has, or
    hexadecimal digits of 16.
    """
    if re.fullmatch(r"(?:0x)?[0-9A-Fa-f]{32,}", text):
        return True
    mixed = re.search(r"[A-Z]", text) and re.search(r"[a-z]", text) and re.search(r"[0-9+/=]", text)
    return len(text) >= 20 and len(text) % 4 == 0 and bool(mixed and re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", text))


def words_of_key(text: str) -> List[str]:
    """The parts of a text that says how to sign, as programs take it in one: ``algorithm:name:secret``, or a ``key`` statement."""
    return re.split(r"[:,;{}()\"'\s]+", text)


def without_keys(text: str) -> str:
    """A message without the words in it that look like keys: somebody wrote one where a name belongs."""

    def word(match: re.Match[str]) -> str:
        is_path = match[0].count("/") * 10 > len(match[0])
        return MASK if looks_like_secret(match[0]) and re.search("[0-9]", match[0]) and not is_path else match[0]

    return re.sub(r"[A-Za-z0-9+/]{16,}={0,2}", word, text)


def masked(text: str, kind: str = "") -> str:
    """The text with its secrets masked, line for line. ``kind`` is a key of ``KINDS``."""
    return KINDS[kind](_without_private_keys(text))


def masked_message(text: str) -> str:
    """What a program printed: the value of each ``key=value`` and ``key: value`` with the name of a secret is masked, and what is
    quoted after a word such as secret."""

    def pair(match: re.Match[str]) -> str:
        return f"{match['key']}{match['sign']}{MASK}" if is_secret(match["key"]) else match.group(0)

    return _USER.sub(f"{MASK}@", _QUOTED_SECRET.sub(rf"\1{MASK}", _PAIR.sub(pair, text)))


def secrets_in(command: str) -> Iterator[str]:
    """The secrets that a command or a kernel's parameters name: of ``token=x`` and ``--token x`` the x. None shorter than four
    characters, which would be masked in every word that they are part of.
    """
    words = command.split()
    for word, following in zip(words, [*words[1:], ""]):
        name, equals, value = word.partition("=")
        value = (value if equals else following if name.startswith("-") else "").strip("\"'")
        if is_secret(name) and len(value) >= 4:
            yield value


def _other(text: str) -> str:
    return _plain(masked_message(text))


def _plain(text: str) -> str:
    """Without what looks like a key, and without the user in a URL."""
    return _USER.sub(f"{MASK}@", _LONG.sub(MASK, text))


def _without_private_keys(text: str) -> str:
    masked_lines: List[str] = []
    inside = False
    for line in lines_of(text):
        mark = _PRIVATE.search(line)
        hidden = inside or mark is not None
        inside = (inside or (mark is not None and mark[1] == "BEGIN")) and not (mark is not None and "-----END" in line)
        masked_lines.append(_hidden(line) if hidden else line)
    return "".join(masked_lines)


def _hidden(line: str, kept: str = "") -> str:
    """A line of which only the beginning is kept; its end stays what it was."""
    content = line.rstrip("\r\n")
    return f"{kept or content[: len(content) - len(content.lstrip())]}{MASK}{line[len(content) :]}"


def _mentions(text: str) -> bool:
    return any(is_secret(word) for word in _WORDS.findall(text))


def _interfaces(text: str) -> str:
    """interfaces(5): an option, blanks, a value. A line that ends in a backslash goes on in the next."""
    masked_lines: List[str] = []
    hidden = continued = False
    for line in lines_of(text):
        if not continued:
            masked_line = _interfaces_line(line)
            hidden = MASK in masked_line and masked_line != line
        else:
            masked_line = _hidden(line) if hidden or _mentions(line) else _plain(line)
            hidden = hidden or masked_line != line
        continued = line.rstrip("\r\n").endswith("\\")
        masked_lines.append(masked_line)
    return "".join(masked_lines)


def _interfaces_line(line: str) -> str:
    words = line.split()
    if not words:
        return line
    if words[0].startswith("#"):
        return _hidden(line, "# ") if _mentions(line) else _plain(line)
    kept = line[: line.index(words[0]) + len(words[0])] + " "
    if words[0] in _COMMAND_KEYS:
        return kept + _command(line[len(kept) :])
    if words[0] == "iface" or not (is_secret(words[0]) or _mentions(" ".join(words[1:]))):
        return _plain(line)
    return _hidden(line, kept)


def _command(text: str) -> str:
    """A command line: programs that set up a network are shown, of all others the name alone."""
    end = text[len(text.rstrip("\r\n")) :]
    parts = _SHELL.split(text.rstrip("\r\n").rstrip("\\"))
    masked_parts: List[str] = []
    for index, part in enumerate(parts):
        words = part.split()
        if index % 2 or not words:
            masked_parts.append(part)
            continue
        known = words[0].rpartition("/")[2] in _PROGRAMS or _KERNEL_VALUE.fullmatch(part.strip())
        if known and not _mentions(" ".join(words[1:])) and not _SUBSTITUTION.search(part):
            masked_parts.append(_plain(part))
        else:
            masked_parts.append(MASK if "=" in words[0] else f"{words[0]} {MASK}")
    return "".join(masked_parts) + ("\\" if text.rstrip("\r\n").endswith("\\") else "") + end


def _yaml(text: str) -> str:
    """YAML: after the key of a secret all is masked that may belong to its value, in block and flow style, quoted or not."""
    masked_lines: List[str] = []
    depth = -1  # indentation of the key whose value goes on
    quote, awaited = "", False
    for line in lines_of(text):
        bare = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        due = awaited and not _YAML_KEY.match(line, indent)
        if depth >= 0 and (quote or due or not bare or indent > depth or (bare.startswith("- ") and indent == depth)):
            awaited = awaited and not bare
            if quote and bare.count(quote) % 2:
                quote = ""
            masked_lines.append(_hidden(line) if bare else line)
            continue
        depth, quote, awaited = -1, "", False
        if bare.startswith("#"):
            masked_lines.append(_hidden(line, f"{' ' * indent}# ") if _mentions(bare) else _plain(line))
            continue
        if bare.startswith(("? ", ": ")) or _YAML_ANCHOR.search(line):
            depth = indent
            masked_lines.append(_hidden(line))
            continue
        key = next((match for match in _YAML_KEY.finditer(line) if "\\" in match["key"] or is_secret(match["key"])), None)
        if key is None:
            masked_lines.append(_plain(line))
            continue
        rest = line[key.end() :].strip()
        depth, awaited = indent, not rest
        quote = next((mark for mark in "\"'" if rest.startswith(mark) and rest.count(mark) % 2), "")
        masked_lines.append(_hidden(line, f"{line[: key.end()]} "))
    return "".join(masked_lines)


def _pairs(text: str) -> str:
    """Sections with ``key=value``: keyfiles, .netdev, .network, units. All of a section is masked that is one of secrets."""
    masked_lines: List[str] = []
    section, hidden, continued = "", False, False
    for line in lines_of(text):
        bare = line.strip()
        if continued:
            masked_lines.append(_hidden(line) if hidden or _mentions(line) else _plain(line))
        elif bare.startswith(("#", ";")):
            masked_lines.append(_hidden(line, f"{bare[0]} ") if _mentions(bare) else _plain(line))
        elif bare.startswith("["):
            section = bare.strip("[]").lower()
            masked_lines.append(_plain(line))
        else:
            masked_line = _pair(section, line)
            hidden = masked_line != line
            masked_lines.append(masked_line)
        continued = bare.endswith("\\")
    return "".join(masked_lines)


def _pair(section: str, line: str) -> str:
    key, equals, value = line.partition("=")
    name = key.strip()
    if not equals:
        return _hidden(line) if _mentions(line) else _plain(line)
    whole = "secret" in section or (section in ("vpn", "user") and name != "service-type")
    if whole or is_secret(name) or name in ("Environment", "pac-script") or "data:" in value:
        return _hidden(line, f"{key}=")
    if name.startswith("Exec"):
        return f"{key}={_arguments(value)}"
    return _hidden(line, f"{key}=") if _mentions(value) else _plain(line)


def _arguments(text: str) -> str:
    """A command of a unit: from the first word on that names a secret all is masked."""
    for match in re.finditer(r"\S+", text):
        if match.start() and _mentions(match.group(0)):
            return _hidden(text, text[: match.start()])
    return _plain(text)


def _server(text: str) -> str:
    """BIND's ``secret "...";`` and Knot's ``secret: ...``."""
    return _SERVER_SECRET.sub(lambda match: match[1] + "\n".join([MASK] * (match[2].count("\n") + 1)), text)


def _authorized_keys(text: str) -> str:
    """sshd(8): options may hold a command or an environment, which is nobody's business; the keys are public."""
    return _QUOTED.sub(f'"{MASK}"', text)


def _no_change(text: str) -> str:
    return text


KINDS: Mapping[str, Callable[[str], str]] = {
    "": _other,
    "interfaces": _interfaces,
    "yaml": _yaml,
    "pairs": _pairs,
    "server": _server,
    "authorized_keys": _authorized_keys,
    "public": _no_change,
}
"""What masks which format; ``public`` is for texts that everybody may read, such as hosts(5) and zones."""


def mask_element(element: Element, hidden: bool = False) -> None:
    """Masks libvirt's XML in place: texts but those known to be harmless, attributes named as secrets are, and all of what
    is passed on to QEMU, SEV, firmware or other programs.
    """
    tag = element.tag if isinstance(element.tag, str) else ""
    hidden = hidden or tag.startswith("{") or tag in _XML_HIDDEN
    if (element.text or "").strip() and (hidden or tag not in _XML_TEXTS):
        element.text = MASK
    named = tag in _XML_NAMES or (tag == "parameter" and is_secret(element.get("name", "")))
    secret = ("uuid", "usage", "value") if named else ()
    for name, value in element.attrib.items():
        if hidden or name in secret or name == "query" or is_secret(name):
            element.set(name, MASK)
        else:
            element.set(name, _USER.sub(f"{MASK}@", value.partition("?")[0] + (f"?{MASK}" if "?" in value else "")))
    for child in element:
        mask_element(child, hidden)


def masked_xml(text: str) -> str:
    """An element of libvirt's with its secrets masked. Raises xml.etree.ElementTree.ParseError."""
    element = ElementTree.fromstring(text)
    mask_element(element)
    return ElementTree.tostring(element, encoding="unicode")
