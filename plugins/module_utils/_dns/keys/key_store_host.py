# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The key store of this host: looking at it, doing the steps that the planner asks for, and the sealed exchange.

A secret travels from home to holder as a CMS message (RFC 5652) that only the holder's private key opens: the content
is encrypted and authenticated with AES-256-GCM, under a key of its own that is encrypted with RSA-OAEP and SHA-256.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass, field, replace
from typing import Callable, ContextManager, List, Optional, Protocol, Sequence

from ..._system.command import CommandRunner
from ..._system.files import STAGED, FileStore, NotText, SystemFiles
from ..._system.locks import locked_folder
from .bundle import certificate, is_certificate
from .key_file import SECRET_BYTES, SUFFIX, BadKeyFile, TsigKey, is_marked, parse, render_marked
from .plan import PAIR_FILE, AskedKey, KeyStep, Store, StoredFile

FORMER_FOLDER = "/etc/bind/smallfleet"
OPENSSL = "openssl"
_OAEP = ["-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256", "-keyopt", "rsa_mgf1_md:sha256"]


class KeyFailure(Exception):
    """Something about the keys could not be done. The message says what to do, and has no secret."""

    def __init__(self, message: str, reason: str = "keys") -> None:
        self.reason = reason
        super().__init__(message)


class Rights(Protocol):
    """Folders, and who may look into them and their files."""

    def names(self, folder: str) -> Optional[List[str]]:
        """The files in a folder, or None when there is no such folder."""
        ...  # pylint: disable=unnecessary-ellipsis

    def private(self, path: str) -> bool:
        """Whether it is root's and nobody else can read or write it."""
        ...  # pylint: disable=unnecessary-ellipsis

    def protect(self, path: str) -> None:
        """Make it so. A folder that is not there is made."""
        ...  # pylint: disable=unnecessary-ellipsis


class SystemRights:
    """The real file system. ``owner`` is the user that counts as root, for tests."""

    def __init__(self, owner: int = 0) -> None:
        self._owner = owner

    def names(self, folder: str) -> Optional[List[str]]:
        try:
            return sorted(os.listdir(folder))
        except FileNotFoundError:
            return None

    def private(self, path: str) -> bool:
        found = os.stat(path)
        wanted = 0o700 if stat.S_ISDIR(found.st_mode) else 0o600
        return found.st_uid == self._owner and stat.S_IMODE(found.st_mode) == wanted

    def protect(self, path: str) -> None:
        if not os.path.exists(path):
            SystemFiles().own_folder(path, 0o700)
        mode = 0o700 if os.path.isdir(path) else 0o600
        SystemFiles().restrict(path, mode, str(self._owner), "0" if self._owner == 0 else "")


@dataclass
class KeyHost:
    """The effects, behind their protocols. ``random`` gives that many bytes that nobody can guess."""

    folder: str
    runner: CommandRunner
    files: FileStore
    rights: Rights
    former: str = FORMER_FOLDER
    random: Callable[[int], bytes] = field(default=secrets.token_bytes)
    find: Callable[[str], Optional[str]] = field(default=shutil.which)

    def locked(self) -> ContextManager[None]:
        """Alone with the store. Several holders may ask a home at the same moment, and only one may make a key."""
        return locked_folder(self.folder)

    def found(self) -> None:
        """Have a folder that only root can look into, so that there is something to lock."""
        if self.rights.names(self.folder) is None:
            self.rights.protect(self.folder)

    def observe(self, asked: Sequence[AskedKey]) -> Store:
        """The store as it is. Only reads."""
        names = self.rights.names(self.folder)
        held = {name: self._file(name) for name in names or () if name.endswith(SUFFIX)}
        return Store(
            files=held,
            former={key.name: old for key in asked for old in [self._former(key.name)] if old is not None},
            leftovers=tuple(name for name in names or () if name.startswith(STAGED)),
            pair=bool(self.certificate()) and self.rights.private(self._path(PAIR_FILE)),
            private=names is None or self.rights.private(self.folder),
            can_seal=self.find(OPENSSL) is not None,
        )

    def apply(self, steps: Sequence[KeyStep]) -> None:
        """Do the steps. Raises KeyFailure, CommandFailed or OSError; what is done stays done, in any case valid."""
        for step in steps:
            path = self._path(step.file)
            if step.action == "guard":
                self.rights.protect(self.folder)
            elif step.action == "protect":
                self.rights.protect(path)
            elif step.action == "pair":
                self._make_pair()
            elif step.action in ("sweep", "remove"):
                self.files.remove(path)
            elif step.key is not None:
                key = step.key if step.key.secret else replace(step.key, secret=self._secret(step.key.algorithm))
                self.files.write(path, render_marked(key), 0o600)

    def certificate(self) -> str:
        """The public part of this host's key pair, or nothing when it has none yet."""
        return certificate(self.files.read(self._path(PAIR_FILE)))

    def seal(self, text: str, recipient: str) -> str:
        """Encrypt for the holder of the private key that belongs to this certificate."""
        if not is_certificate(recipient):
            raise KeyFailure("What is to be sealed needs a recipient, and this is no certificate.")
        if self.find(OPENSSL) is None:
            raise KeyFailure("OpenSSL is not installed on this host. Install the Debian package openssl here first.")
        with tempfile.TemporaryDirectory(prefix="smallfleet-") as folder:
            file = os.path.join(folder, "recipient.pem")
            self.files.write(file, recipient, 0o600)
            argv = [OPENSSL, "cms", "-encrypt", "-binary", "-aes-256-gcm", "-outform", "PEM", "-recip", file, *_OAEP]
            return self.runner.run(argv, stdin=text).stdout

    def unseal(self, text: str) -> str:
        """Decrypt what was sealed for this host."""
        pair = self._path(PAIR_FILE)
        argv = [OPENSSL, "cms", "-decrypt", "-binary", "-inform", "PEM", "-inkey", pair, "-recip", pair]
        said = self.runner.run(argv, stdin=text, check=False)
        if said.rc != 0:
            raise KeyFailure(
                f"What came for this host cannot be opened with its private key in {pair}. Run this again; if it stays"
                f" so, remove that file, and a new pair is made. OpenSSL says: {said.stderr.strip()[-300:]}"
            )
        return said.stdout

    def _file(self, name: str) -> StoredFile:
        try:
            text = self.files.read(self._path(name)) or ""
        except NotText:
            text = ""  # somebody's file, and no key
        return StoredFile(_parsed(text), is_marked(text), self.rights.private(self._path(name)))

    def _former(self, name: str) -> Optional[TsigKey]:
        text = self.files.read(os.path.join(self.former, name + SUFFIX))
        return None if text is None else _parsed(text)

    def _make_pair(self) -> None:
        """The certificate is only the form in which OpenSSL takes a recipient; nobody asks who signed it, or when."""
        argv = [OPENSSL, "req", "-x509", "-newkey", "rsa:3072", "-nodes", "-days", "36500", "-subj", "/CN=smallfleet"]
        said = self.runner.run([*argv, "-keyout", "-", "-out", "-"], check=False)  # its output is never shown
        if said.rc != 0 or not certificate(said.stdout):
            raise KeyFailure("OpenSSL made no key pair. See 'openssl version'; 3.0 or later is needed.")
        self.files.write(self._path(PAIR_FILE), said.stdout, 0o600)

    def _secret(self, algorithm: str) -> str:
        return base64.b64encode(self.random(SECRET_BYTES[algorithm])).decode("ascii")

    def _path(self, name: str) -> str:
        return self.folder if name == "." else os.path.join(self.folder, name)


def _parsed(text: str) -> Optional[TsigKey]:
    try:
        return parse(text)
    except BadKeyFile:
        return None
