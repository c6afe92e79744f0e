# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of a guarded change as shell scripts, for they must run when nothing but the node itself is left."""

from __future__ import annotations

from shlex import quote
from typing import Dict, List, Sequence

from .foreign_script import FOREIGN, RESTORE, SAVE, foreign_script
from .guard import ADOPTING, APPLIED, CONFIRMED, RESTORED, ROLLBACK, SWITCH, Step, adopt, finish, leave, recover, restore, switch
from .guard_batches import VLANS
from .guard_change import Change
from .kernel_scripts import BEFORE, kernel_files

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
reload() {{
    if systemctl is-active --quiet systemd-networkd.service; then timeout 20 networkctl reload; fi
}}
# What netplan(8) prints after its first line is of its files, which may hold passwords
generate() {{
    printed=$(timeout 20 netplan generate 2>&1) && return 0
    echo "$printed" | head -n 1
    return 1
}}
stop_nm() {{
    timeout 40 systemctl stop NetworkManager.service
}}
start_nm() {{
    timeout 40 systemctl start NetworkManager.service
}}
# Below /run/NetworkManager/devices is a file for each interface, by its number: NetworkManager reads them when it starts
claim_nm() {{
    number=$(cat "/sys/class/net/$2/ifindex" 2>&1) || return 0
    file=/run/NetworkManager/devices/$number
    if [ -z "$1" ]; then rm -f "$file" && return 0; fi
    mkdir -p "$(dirname "$file")" && cp "$1" "$file.new" && mv -f "$file.new" "$file" && return 0
    rm -f "$file.new"
    return 1
}}
# ifupdown has a line for each interface that is up, NAME=LOGICAL-NAME, and the logical name in a file for each. ifupdown2
# has no such file: it looks at the kernel
claim_ifupdown() {{
    state=/run/network/ifstate
    [ -e $state ] || return 0
    {{ awk -F= -v name="$2" '$1 != name' $state && {{ [ -z "$1" ] || echo "$2=$(cat "$1")"; }}; }} > $state.new &&
        cat "${{1:-/dev/null}}" > "$state.$2" && mv -f $state.new $state && return 0
    rm -f $state.new
    return 1
}}
clients() {{
    for process in /proc/[0-9]*; do
        case "$(cat "$process/comm" 2>&1)" in dhclient | dhcpcd | udhcpc) ;; *) continue ;; esac
        tr '\\0 ' '\\n\\n' < "$process/cmdline" | grep -qxF -- "$2" && kill -s "$1" "${{process#/proc/}}"
    done
    return 0
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
_MAY_FAIL = ("undo", "remind", "pause", "freeze", "thaw", "end", "save-foreign", "restore-foreign")
_WORDS = {
    "batch": "the kernel refused a request of {file}",
    "carrier": "no carrier",
    "link": "an interface is missing",
    "put": "{file} could not be written",
    "drop": "{file} could not be removed",
    "enable": "{file} could not be made",
    "mark": "the mark {file} could not be made",
    "reload": "systemd-networkd did not take its files",
    "generate": "netplan refused its file",
    "release": "NetworkManager did not end",
    "acquire": "NetworkManager did not start",
    "claim-networkmanager": "NetworkManager could not be told of {file}",
    "claim-ifupdown": "ifupdown could not be told of {file}",
    "remember": "the network that is there could not be written down",
    "heed": "the kernel did not take what to do with router advertisements on {file}",
}


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
    return _HEAD.format(title=title, folder=quote(change.folder), before=BEFORE, switch=SWITCH) + ("\n[ -r ./kernel.sh ] && . ./kernel.sh\n" if kernel else "")


def command(step: Step) -> str:
    """One step as one command of the shell."""
    program = "bridge" if step.file.endswith(VLANS) else "ip -6" if step.family == 6 else "ip"
    words = {
        "batch": f"batch {quote(step.file)} {quote(program)}",
        "undo": f"undo {quote(step.file)} {quote(program)} >undo.log 2>&1",
        "remind": f"timeout 20 {program} -force -batch {quote(step.file)} >remind.log 2>&1",
        "carrier": f"wait_for {quote(step.file)} operstate up",
        "link": f"link {quote(step.file)}",
        "put": f"put {quote(step.source)} {quote(step.file)}",
        "drop": f"drop {quote(step.file)}",
        "enable": f"enable {quote(step.source)} {quote(step.file)}",
        "mark": f"mark {quote(step.file)}",
        "reload": "reload",
        "generate": "generate",
        "disarm": f"systemctl stop {ROLLBACK}.timer >disarm.log 2>&1",
        "unwatch": "unwatch >unwatch.log 2>&1",
        "pause": "sleep 0.5",
        "release": "stop_nm",
        "acquire": "start_nm",
        "claim-networkmanager": f"claim_nm {quote(step.source)} {quote(step.file)}",
        "claim-ifupdown": f"claim_ifupdown {quote(step.source)} {quote(step.file)}",
        "freeze": f"clients STOP {quote(step.file)}",
        "thaw": f"clients CONT {quote(step.file)}",
        "end": f"clients KILL {quote(step.file)}",
        "remake": f"remake {quote(step.source)} {quote(step.file)} >remake.log 2>&1",
        "remember": "remember",
        "meanwhile": "meanwhile >again.log 2>&1",
        "again": f"{{ again || {{ undo {quote(step.file)}; undo {quote(step.file)}6 'ip -6'; undo {quote(step.file)}{VLANS} bridge; }}; }} >again.log 2>&1",
        "compare": "compare >compare.log 2>&1",
        "heed": f"heed {quote(step.source)} {quote(step.file)}",
        "save-foreign": f"/bin/sh ./{FOREIGN} {SAVE}",
        "restore-foreign": f"/bin/sh ./{FOREIGN} {RESTORE}",
    }
    return words[step.kind]


def _strict(steps: Sequence[Step]) -> str:
    """Every step must succeed; what it said goes into the reason why the change was rolled back."""
    found: List[str] = []
    for step in steps:
        if step.kind in _MAY_FAIL:
            found.append(f"{command(step)} || :\n")
            continue
        why = _WORDS[step.kind].format(file=step.file)
        found.append(f'said=$({command(step)} 2>&1) || fail {quote(why)}": $said"\n')
    return "".join(found)


def _lenient(steps: Sequence[Step], indent: str) -> str:
    """Go on whatever happens. But what was not put back is not called restored, so that it is tried again."""
    found: List[str] = []
    for index, step in enumerate(steps):
        if step.kind == "mark":
            rest = _lenient(steps[index + 1 :], indent)
            found.append(f'{indent}[ -z "$bad" ] || exit 1\n{indent}{command(step)} || exit 1\n{rest}')
            break
        found.append(f"{indent}{command(step)}{' || bad=1' if step.kind in ('put', 'drop') else ' || :'}\n")
    return "".join(found)


def _switch(change: Change) -> str:
    body = f"flock -w 20 9 || fail 'another step of this change does not end'\n[ -e {RESTORED} ] && exit {TOO_LATE}\n"
    return _head("Makes the change.", change, kernel=True) + _FAIL + "\n" + body + f"[ -e {APPLIED} ] && exit 0\n" + _strict(switch(change))


def _adopt(change: Change) -> str:
    body = f"flock -w 20 9 || exit 1\n[ -e {RESTORED} ] && exit {TOO_LATE}\n[ -e {CONFIRMED} ] && exit 0\n"
    body += f"[ -e {APPLIED} ] || exit 1\n"
    return _head("Makes the change the boot configuration.", change) + _FAIL + "\n" + body + _strict(adopt(change))


def _finish(change: Change) -> str:
    body = f"flock -w 20 9 || exit 1\n[ -e {RESTORED} ] && exit {TOO_LATE}\n[ -e {ADOPTING} ] || exit 1\nbad=\n"
    return _head("Makes the change final.", change) + "\n" + body + _lenient(finish(change), "")


def _restore(change: Change, boot_id: str, timeout: int) -> str:
    given = quote(f"nobody confirmed it within {timeout} s")
    return (
        _head("Rolls the change back, unless it was confirmed.", change, kernel=True)
        + f'\n[ "${{2-}}" = {HELD} ] || flock -w 45 9\nbad=\nif [ -e {CONFIRMED} ]; then\n'
        + _lenient(finish(change), "    ")
        + f"    exit 0\nfi\nif [ -e {RESTORED} ]; then\n"
        + _lenient(leave(), "    ")
        + f"    exit 0\nfi\nbecause={given}\nprintf '%s\\n' \"${{1:-$because}}\" > reason\n"
        + f'if [ "$(cat /proc/sys/kernel/random/boot_id)" = {quote(boot_id)} ]; then\n'
        + f"    if [ -e {ADOPTING} ]; then\n"
        + _lenient(restore(change, True), "        ")
        + "    else\n"
        + _lenient(restore(change, False), "        ")
        + f"    fi\nelif [ -e {ADOPTING} ]; then\n"
        + _lenient(recover(change, True), "    ")
        + "else\n"
        + _lenient(recover(change, False), "    ")
        + "fi\n"
    )
