# SPDX-FileCopyrightText: The smallfleet.infra contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fuzzes the readers of foreign text with atheris (libFuzzer, guided by the coverage of the collection's own code).

    python tests/fuzz/run.py --seconds 30 [TARGET...]

Each target runs in a process of its own. A failure is an exception that is not a refusal of that reader, an input that takes more than
SECONDS of processor time, or one that takes more than MEGABYTES of memory; the last two are confirmed in a fresh process without the
fuzzer, which makes everything slower. The input is printed, and kept in build/fuzz/ to be repeated: --repeat FILE TARGET.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Set

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from testing.phases import fuzz_targets  # pylint: disable=wrong-import-position

SUBJECTS = Path(__file__).resolve().parent
OUTPUT = ROOT / "build" / "fuzz"
SECONDS = 1.0
MEGABYTES = 256
LONGEST = 1 << 13
"""Bytes of the longest input that the fuzzer derives. Longer seeds are read, and nothing is derived from them."""
PACKAGE = "ansible_collections.smallfleet.infra"
MOST_FAILURES = 10
INTERRUPTED = 4.0
"""Seconds of processor time after which a reader is interrupted in the fuzzer, which makes it slower."""
START = time.monotonic()


class TooSlow(BaseException):
    """The reader was interrupted."""


@dataclass
class Outcome:
    """What one input did. ``failure`` is empty for one that was read or refused; ``place`` is the line that raised."""

    failure: str = ""
    place: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0


@dataclass
class Result:
    """What a target's run did. ``failures``: file with the input -> what is wrong with it."""

    target: str
    inputs: int = 0
    edges: int = 0
    seconds: float = 0.0
    megabytes: float = 0.0
    failures: Dict[str, str] = field(default_factory=dict)


def targets(folder: Path) -> Dict[str, Path]:
    """Target -> the module that declares it, by reading the source: nothing is imported."""
    names: Dict[str, Path] = {}
    for path in sorted(folder.glob("*.py")):
        names.update({name: path for name in fuzz_targets(path.read_text(encoding="utf-8"))})
    return names


def load(module: Path, name: str) -> Any:
    """The target of a module. The folder of tests is on the path and that of the module is not: dns.py there is not dnspython."""
    sys.path[:0] = [str(ROOT / "collections"), str(ROOT / "tests")]
    if module.parent != SUBJECTS:
        sys.path.append(str(module.parent))
    return importlib.import_module(imported(module)).TARGETS[name]


def imported(module: Path) -> str:
    """The name that a module of targets is imported by."""
    return f"fuzz.{module.stem}" if module.parent == SUBJECTS else module.stem


def measure(target: Any, data: bytes, limit: float) -> Outcome:
    """Read one input, interrupted after ``limit`` seconds of processor time. Memory is what the peak grew by."""
    outcome = Outcome()
    before, started = peak(), time.process_time()
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, limit)
        target.read(data)
    except target.refusals:
        pass
    except TooSlow:
        outcome.failure = outcome.place = f"no end after {limit:g} s"
    except BaseException as error:  # noqa: BLE001  # pylint: disable=broad-exception-caught
        last = traceback.extract_tb(error.__traceback__)[-1]
        outcome.place = f"{type(error).__name__} at {os.path.basename(last.filename)}:{last.lineno}"
        outcome.failure = f"{outcome.place}: {ascii(str(error))[:200]}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    outcome.seconds, outcome.megabytes = time.process_time() - started, peak() - before
    return outcome


def peak() -> float:
    """The most memory that this process had, in MB. What getrusage(2) says begins with what the process before exec had."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def limit_memory(megabytes: float) -> None:
    """A reader that wants more than this on top of what the process has gets a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    size = pages * resource.getpagesize() + int(megabytes) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def interrupt(_signal: int, _frame: object) -> None:
    raise TooSlow


def repeat(target: Any, data: bytes) -> Outcome:
    """One input without the fuzzer; what is slow or large is a failure."""
    signal.signal(signal.SIGVTALRM, interrupt)
    with suppress(Exception):
        target.read(b"")  # what is imported and compiled at the first call costs the input nothing
    limit_memory(4 * MEGABYTES)
    outcome = measure(target, data, 2 * SECONDS)
    if not outcome.failure and outcome.seconds > SECONDS:
        outcome.failure = f"takes {outcome.seconds:.1f} s"
    if not outcome.failure and outcome.megabytes > MEGABYTES:
        outcome.failure = f"takes {outcome.megabytes:.0f} MB"
    return outcome


class Worker:
    """The fuzzing process of one target: libFuzzer calls ``one`` with each input."""

    def __init__(self, target: Any, name: str, report: Path) -> None:
        self.target, self.report = target, report
        self.result = Result(name)
        self.ends = float("inf")
        self.places: Set[str] = set()

    def one(self, data: bytes) -> None:
        outcome = measure(self.target, data, INTERRUPTED)
        result = self.result
        result.inputs += 1
        result.seconds, result.megabytes = max(result.seconds, outcome.seconds), max(result.megabytes, outcome.megabytes)
        failure, place = outcome.failure, outcome.place
        if not failure and outcome.seconds > SECONDS:
            failure = place = "may be slow"
        if not failure and outcome.megabytes > MEGABYTES:
            failure = place = "may be large"
        if failure and place not in self.places:
            self.places.add(place)
            result.failures[keep(result.target, data)] = failure
            self.save()
        if time.monotonic() > self.ends or len(self.places) >= MOST_FAILURES or place.startswith("no end "):
            self.save()
            os._exit(0)

    def save(self) -> None:
        self.report.write_text(json.dumps(asdict(self.result)), encoding="utf-8")


def keep(name: str, data: bytes) -> str:
    """Writes an input to build/fuzz/. Returns its path."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    path = OUTPUT / f"{re.sub(r'[^a-z0-9_]', '-', name)}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return str(path)


def work(module: Path, name: str, seconds: float, seed: int, report: Path, corpus: str) -> None:
    """Fuzz until the time is over; does not return."""
    import atheris  # noqa: PLC0415  # pylint: disable=import-outside-toplevel,import-error  # not everywhere is there one

    with atheris.instrument_imports(include=[PACKAGE, imported(module)]):
        target = load(module, name)
    for number, example in enumerate(example for example in target.seeds if len(example) <= LONGEST):
        (Path(corpus) / f"seed-{number}").write_bytes(example)
    signal.signal(signal.SIGVTALRM, interrupt)
    worker = Worker(target, name, report)
    options = [f"-max_len={LONGEST}", "-rss_limit_mb=0", "-malloc_limit_mb=0", "-timeout=60", "-print_final_stats=0"]
    options += [f"-artifact_prefix={OUTPUT}{os.sep}", f"-seed={seed}"]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    atheris.Setup([sys.argv[0], *options, corpus], worker.one)
    limit_memory(2 * MEGABYTES)
    for example in target.seeds:
        worker.one(example)
    # However busy the machine is, half of the time is for what the fuzzer derives.
    worker.ends = max(START + seconds, time.monotonic() + seconds / 2)
    worker.save()
    atheris.Fuzz()


def fuzz(module: Path, name: str, seconds: float, seed: int) -> Result:
    """One target in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="smallfleet-fuzz-") as folder:
        report, corpus = Path(folder) / "report.json", Path(folder) / "corpus"
        corpus.mkdir()
        argv = [sys.executable, __file__, "--worker", str(report), "--corpus", str(corpus), "--module", str(module)]
        argv += ["--seconds", str(seconds), "--seed", str(seed), name]
        child = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=seconds + 120)
        log = child.stdout.decode(errors="replace")
        result = Result(name)
        if report.exists():
            result = Result(**json.loads(report.read_text(encoding="utf-8")))
        edges = re.findall(r"cov: (\d+)", log)
        result.edges = int(edges[-1]) if edges else 0
    if child.returncode:
        result.failures["-"] = f"the process ended with {child.returncode}: ...{log[-1500:]}"
    for path, failure in list(result.failures.items()):
        if failure.startswith(("may be ", "no end ")):
            confirmed = confirm(module, name, path)
            if confirmed.failure:
                result.failures[path] = confirmed.failure
            else:
                del result.failures[path]
    return result


def confirm(module: Path, name: str, path: str) -> Outcome:
    """The outcome of an input in a fresh process."""
    argv = [sys.executable, __file__, "--repeat", path, "--module", str(module), "--json", name]
    child = subprocess.run(argv, capture_output=True, check=False, timeout=120)
    if child.returncode not in (0, 1):
        return Outcome(f"the process ended with {child.returncode}: {child.stderr.decode(errors='replace')[-500:]}")
    return Outcome(**json.loads(child.stdout))


def table(results: List[Result]) -> str:
    rows = [("target", "inputs", "edges", "worst s", "worst MB", "failures")]
    rows += [(one.target, str(one.inputs), str(one.edges), f"{one.seconds:.2f}", f"{one.megabytes:.0f}", str(len(one.failures))) for one in results]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(zip(row, widths))) for row in rows)


def excerpt(path: str) -> str:
    data = Path(path).read_bytes() if path != "-" else b""
    shown = repr(data)
    return shown if len(shown) <= 300 else f"{shown[:200]} ... {shown[-80:]} ({len(data)} bytes)"


def main(argv: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="for all targets together")
    parser.add_argument("--seed", type=int, default=0, help="try the same inputs as another run with this seed (0: others each time)")
    parser.add_argument("--repeat", metavar="FILE", help="read this file by the one TARGET, without the fuzzer")
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--worker", metavar="REPORT", help=argparse.SUPPRESS)
    parser.add_argument("--corpus", help=argparse.SUPPRESS)
    parser.add_argument("--module", help=argparse.SUPPRESS)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    options = parser.parse_args(argv)
    known = targets(SUBJECTS) if options.module is None else {options.targets[0]: Path(options.module)}
    names = options.targets or sorted(known)
    unknown = sorted(set(names) - set(known))
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}. There are: {', '.join(sorted(known))}")
    if options.worker:
        work(known[names[0]], names[0], options.seconds, options.seed, Path(options.worker), options.corpus)
        return 0
    if options.repeat:
        outcome = repeat(load(known[names[0]], names[0]), Path(options.repeat).read_bytes())
        print(json.dumps(asdict(outcome)) if options.json else outcome)
        return 1 if outcome.failure else 0
    if importlib.util.find_spec("atheris") is None:
        print("left out: atheris, the fuzzer, has no wheel for this machine")
        return 0
    results = []
    for name in names:
        results.append(fuzz(known[name], name, options.seconds / len(names), options.seed))
        for path, failure in results[-1].failures.items():
            print(f"{name}: {failure}\n  input: {excerpt(path)}\n  repeat: python tests/fuzz/run.py --repeat {path} {name}\n", flush=True)
    print(table(results))
    return 1 if any(result.failures for result in results) else 0


if __name__ == "__main__":
    sys.path.remove(str(SUBJECTS))
    sys.exit(main())
