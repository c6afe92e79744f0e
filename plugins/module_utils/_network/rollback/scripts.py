# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a guarded change as shell scripts, for they must run when nothing but the node itself is left."""

from __future__ import annotations

from shlex import quote
from typing import Dict, List, Mapping, Sequence

from ..backends.control import Command
from .batches import VLANS
from .change import Change
from .foreign_script import FOREIGN, RESTORE, SAVE, foreign_script
from .kernel_scripts import BEFORE, kernel_files
from .phases import ADOPTING, APPLIED, CONFIRMED, RESTORED, ROLLBACK, SWITCH, Step, adopt, finish, leave, recover, restore, switch

TOO_LATE = 3
"""Exit status of a script that found the change rolled back already."""
WATCH = "watch.sh"
"""The script that sees to it that the timer is not stopped by anybody else."""
HELD = "held"
"""The second word for restore.sh from a caller that has the lock, and keeps it until the script has ended."""
_HEAD = """\
#!/bin/sh
# {title} Part of a change of this host's network made by smallfleet.infra.
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
umask 022
cd {folder} || exit 1
exec 9>>../lock

put() {{
    cmp -s "$1" "$2" && return 0
    mkdir -p "$(dirname "$2")" && cp --preserve=mode,ownership "$1" "$2.smallfleet-new" &&
        sync "$2.smallfleet-new" && mv -f "$2.smallfleet-new" "$2" && sync "$(dirname "$2")" && return 0
    rm -f "$2.smallfleet-new"
    return 1
}}
drop() {{
    [ -e "$1" ] || [ -L "$1" ] || return 0
    rm -f "$1" && sync "$(dirname "$1")"
}}
enable() {{
    mkdir -p "$(dirname "$2")" && ln -sfn "$1" "$2" && sync "$(dirname "$2")"
}}
mark() {{
    : > "$1" && sync "$1" .
}}
heed() {{
    echo "$1" > "/proc/sys/net/ipv6/conf/$2/accept_ra"
}}
# All lines of a file. What one was to delete may be gone: the network service takes what it gave to a card without carrier
batch() {{
    from=1
    until said=$(tail -n "+$from" "$1" | timeout 20 $2 -batch - 2>&1); do
        number=${{said##*Command failed -:}}
        case "$number" in '' | *[!0-9]*) echo "$said" && return 1 ;; esac
        from=$((from + number))
        line=$(sed -n "$((from - 1))p" "$1")
        case "$line: $said" in
            "address del "*"ddress not found"* | "address del "*"Cannot assign requested address"*) ;;
            "route del "*"No such process"* | "rule del "*"No such file"*) ;;
            *) echo "$line: $said" && return 1 ;;
        esac
    done
}}
# Before the switch has written down what there is it does nothing
undo() {{
    [ -s {before} ] && [ -e "$1" ] || return 0
    timeout 20 ${{2:-ip}} -force -batch "$1"
}}
# What somebody has deleted during the trial
remake() {{
    [ -e "/sys/class/net/$1" ] || timeout 20 ip -force -batch "$2"
}}
wait_for() {{
    for turn in $(seq 100); do
        [ "$(cat "/sys/class/net/$1/$2" 2>&1)" = "$3" ] && return 0
        sleep 0.05
    done
    echo "$1 did not come up within 5 seconds"
    return 1
}}
# The unit that has made the change watches over the timer. It may be the one that runs this, and ends with it then
unwatch() {{
    grep -q '/{switch}[.]service$' /proc/self/cgroup || timeout 20 systemctl stop {switch}.timer {switch}.service
}}
link() {{
    for turn in $(seq 100); do
        [ -e "/sys/class/net/$1" ] && return 0
        sleep 0.05
    done
    echo "the network service did not make $1 within 5 seconds"
    return 1
}}
"""
_FAIL = """\
fail() {
    echo "$1"
    exec 9>&-
    exec /bin/sh ./restore.sh "$1"
}
"""
# What systemd cannot say now, as while it is executed again (daemon-reexec), counts neither way. That nothing waits counts when it says
# so twice: between the timer and what that starts there may be a moment. To be stopped when the change has ended is no failure
_WATCH = f"""
trap 'exit 0' TERM
stopped=0
while [ -e restore.sh ] && [ ! -e {CONFIRMED} ] && [ ! -e {RESTORED} ]; do
    states=$(timeout 20 systemctl is-active {ROLLBACK}.timer {ROLLBACK}.service 2>&1)
    if echo "$states" | grep -qxE 'active|activating|deactivating|reloading'; then
        stopped=0
    elif echo "$states" | grep -qxE 'inactive|failed|unknown'; then
        stopped=$((stopped + 1))
    fi
    if [ $stopped -ge 2 ]; then
        why='its timer was stopped, by a program or by hand'
        [ -s reason ] && why=$(cat reason)
        exec /bin/sh ./restore.sh "$why"
    fi
    sleep 0.5
done
"""
_COMMANDS: Mapping[str, Command] = {
    "batch": Command("batch {file} {quoted_program}", "the kernel refused a request of {file}"),
    "undo": Command("undo {file} {quoted_program} >undo.log 2>&1"),
    "remind": Command("timeout 20 {program} -force -batch {file} >remind.log 2>&1"),
    "carrier": Command("wait_for {file} operstate up", "no carrier"),
    "link": Command("link {file}", "an interface is missing"),
    "put": Command("put {source} {file}", "{file} could not be written"),
    "drop": Command("drop {file}", "{file} could not be removed"),
    "enable": Command("enable {source} {file}", "{file} could not be made"),
    "mark": Command("mark {file}", "the mark {file} could not be made"),
    "disarm": Command(f"systemctl stop {ROLLBACK}.timer >disarm.log 2>&1"),
    "unwatch": Command("unwatch >unwatch.log 2>&1"),
    "pause": Command("sleep 0.5"),
    "remake": Command("remake {source} {file} >remake.log 2>&1"),
    "remember": Command("remember", "the network that is there could not be written down"),
    "meanwhile": Command("meanwhile >again.log 2>&1"),
    "again": Command(f"{{{{ again || {{{{ undo {{file}}; undo {{file}}6 'ip -6'; undo {{file}}{VLANS} bridge; }}}}; }}}} >again.log 2>&1"),
    "compare": Command("compare >compare.log 2>&1"),
    "heed": Command("heed {source} {file}", "the kernel did not take what to do with router advertisements on {file}"),
    "save-foreign": Command(f"/bin/sh ./{FOREIGN} {SAVE}"),
    "restore-foreign": Command(f"/bin/sh ./{FOREIGN} {RESTORE}"),
}
"""The kinds of steps that do not depend on the program that configures the network; its own are in ``Change.control``."""


def scripts(change: Change, boot_id: str, timeout: int) -> Dict[str, str]:
    """File name -> content of each script."""
    return {
        **kernel_files(change.touched, change.made_addresses),
        "switch.sh": _switch(change),
        "adopt.sh": _adopt(change),
        "finish.sh": _finish(change),
        "restore.sh": _restore(change, boot_id, timeout),
        WATCH: _head("Watches over the timer that takes the change back.", change) + _WATCH,
        FOREIGN: foreign_script(change.folder, change.foreign),
    }


def _head(title: str, change: Change, kernel: bool = False) -> str:
    head = _HEAD.format(title=title, folder=quote(change.folder), before=BEFORE, switch=SWITCH) + change.control.library
    return head + ("\n[ -r ./kernel.sh ] && . ./kernel.sh\n" if kernel else "")


def _command(step: Step, change: Change) -> Command:
    return change.control.commands.get(step.kind) or _COMMANDS[step.kind]


def command(step: Step, change: Change) -> str:
    """One step as one command of the shell."""
    program = "bridge" if step.file.endswith(VLANS) else "ip -6" if step.family == 6 else "ip"
    words = {"file": quote(step.file), "source": quote(step.source), "program": program, "quoted_program": quote(program)}
    return _command(step, change).shell.format(**words)


def _strict(steps: Sequence[Step], change: Change) -> str:
    """Every step must succeed; what it said goes into the reason why the change was rolled back."""
    found: List[str] = []
    for step in steps:
        failure = _command(step, change).failure
        if not failure:
            found.append(f"{command(step, change)} || :\n")
            continue
        found.append(f'said=$({command(step, change)} 2>&1) || fail {quote(failure.format(file=step.file))}": $said"\n')
    return "".join(found)


def _lenient(steps: Sequence[Step], change: Change, indent: str) -> str:
    """Go on whatever happens. But what was not put back is not called restored, so that it is tried again."""
    found: List[str] = []
    for index, step in enumerate(steps):
        if step.kind == "mark":
            rest = _lenient(steps[index + 1 :], change, indent)
            found.append(f'{indent}[ -z "$bad" ] || exit 1\n{indent}{command(step, change)} || exit 1\n{rest}')
            break
        found.append(f"{indent}{command(step, change)}{' || bad=1' if step.kind in ('put', 'drop') else ' || :'}\n")
    return "".join(found)


def _switch(change: Change) -> str:
    body = f"flock -w 20 9 || fail 'another step of this change does not end'\n[ -e {RESTORED} ] && exit {TOO_LATE}\n"
    return _head("Makes the change.", change, kernel=True) + _FAIL + "\n" + body + f"[ -e {APPLIED} ] && exit 0\n" + _strict(switch(change), change)


def _adopt(change: Change) -> str:
    body = f"flock -w 20 9 || exit 1\n[ -e {RESTORED} ] && exit {TOO_LATE}\n[ -e {CONFIRMED} ] && exit 0\n"
    body += f"[ -e {APPLIED} ] || exit 1\n"
    return _head("Makes the change the boot configuration.", change) + _FAIL + "\n" + body + _strict(adopt(change), change)


def _finish(change: Change) -> str:
    body = f"flock -w 20 9 || exit 1\n[ -e {RESTORED} ] && exit {TOO_LATE}\n[ -e {ADOPTING} ] || exit 1\nbad=\n"
    return _head("Makes the change final.", change) + "\n" + body + _lenient(finish(change), change, "")


def _restore(change: Change, boot_id: str, timeout: int) -> str:
    given = quote(f"nobody confirmed it within {timeout} s")
    return (
        _head("Rolls the change back, unless it was confirmed.", change, kernel=True)
        + f'\n[ "${{2-}}" = {HELD} ] || flock -w 45 9\nbad=\nif [ -e {CONFIRMED} ]; then\n'
        + _lenient(finish(change), change, "    ")
        + f"    exit 0\nfi\nif [ -e {RESTORED} ]; then\n"
        + _lenient(leave(), change, "    ")
        + f"    exit 0\nfi\nbecause={given}\nprintf '%s\\n' \"${{1:-$because}}\" > reason\n"
        + f'if [ "$(cat /proc/sys/kernel/random/boot_id)" = {quote(boot_id)} ]; then\n'
        + f"    if [ -e {ADOPTING} ]; then\n"
        + _lenient(restore(change, True), change, "        ")
        + "    else\n"
        + _lenient(restore(change, False), change, "        ")
        + f"    fi\nelif [ -e {ADOPTING} ]; then\n"
        + _lenient(recover(change, True), change, "    ")
        + "else\n"
        + _lenient(recover(change, False), change, "    ")
        + "fi\n"
    )
