# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The AnsibleModule of this collection: what Ansible prints as it is has nothing in it that a terminal would act on."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Mapping

from ansible.module_utils import basic

from .._shared.masking import is_secret, looks_like_secret, secrets_in, words_of_key
from .._shared.quoting import visible_lines
from .._shared.ranges import out_of_range
from .._shared.variable_names import renamed

COMMANDS = ("cmdline", "exec_start", "exec_start_pre")
NAMES_OF_KEYS = ("key_name", "key_file", "key_algorithm", "key", "name")


class AnsibleModule(basic.AnsibleModule):  # type: ignore[misc]  # Ansible has no types
    """Messages, warnings and diffs may quote names and output of programs. Results that only other tasks read are left as they are.

    What looks like a secret in an option that names one is neither logged nor returned.
    """

    def __init__(self, argument_spec: Mapping[str, Any], **more: Any) -> None:
        super().__init__(argument_spec, **more)
        wrong = list(out_of_range(argument_spec, self.params))
        if wrong:
            self.fail_json(msg=" ".join(wrong), reason="bad_request", steps=[])

    def _load_params(self) -> None:
        """The options are logged and returned as soon as they are read, so what must not be is looked for first."""
        super()._load_params()
        self.no_log_values.update(misplaced_secrets(self.params))
        self.no_log_values.update(misspelt_secrets(self.params, self.argument_spec))

    def warn(self, warning: str, **more: Any) -> None:
        """As in Ansible."""
        warning = renamed(warning, self.argument_spec, str(self.params.get("variable_prefix") or ""))
        super().warn(visible_lines(warning), **more)

    def fail_json(self, msg: str, **result: Any) -> Any:
        """As in Ansible."""
        msg = renamed(msg, self.argument_spec, str(self.params.get("variable_prefix") or ""))
        return super().fail_json(msg=visible_lines(msg), **with_visible_diff(result))

    def exit_json(self, **result: Any) -> Any:
        """As in Ansible."""
        return super().exit_json(**with_visible_diff(result))


def misplaced_secrets(options: Any) -> Iterator[str]:
    """Values at any depth of options such as ``key_name`` and ``key_file`` that look like the secret itself or have it in them, such as
    ``hmac-sha256:name:secret`` and the text of a key file, and what is named as a secret in a command.
    """
    pairs = options.items() if isinstance(options, Mapping) else enumerate(options) if isinstance(options, (list, tuple)) else ()
    for name, value in pairs:
        path = name == "key_file" and isinstance(value, str) and value.startswith("/")
        if name in NAMES_OF_KEYS and isinstance(value, str) and not path:
            yield from (word for word in words_of_key(value) if looks_like_secret(word))
        if name in COMMANDS:
            for command in [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else ():
                yield from secrets_in(str(command))
        yield from misplaced_secrets(value)


def misspelt_secrets(options: Any, argument_spec: Mapping[str, Any]) -> Iterator[str]:
    """Values of options that a module does not have and that are named like a secret: Ansible returns them with what it refuses."""
    if isinstance(options, (list, tuple)):
        for one in options:
            yield from misspelt_secrets(one, argument_spec)
        return
    known = {name: described for option, described in argument_spec.items() for name in (option, *described.get("aliases", ()))}
    for name, value in options.items() if isinstance(options, Mapping) else ():
        if name in known:
            inner = known[name].get("options")
            yield from misspelt_secrets(value, inner) if inner else ()
        elif isinstance(value, str) and len(value) >= 4 and is_secret(str(name)) and not str(name).startswith("_ansible"):
            yield value


def with_visible_diff(result: Mapping[str, Any]) -> Dict[str, Any]:
    """The result with the texts of its diff as they may reach a terminal."""
    return {**result, "diff": _visible(result["diff"])} if "diff" in result else dict(result)


def _visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible_lines(value)
    if isinstance(value, Mapping):
        return {key: _visible(inner) for key, inner in value.items()}
    return [_visible(inner) for inner in value] if isinstance(value, (list, tuple)) else value
