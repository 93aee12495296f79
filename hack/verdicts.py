"""What the programs of hack/ that run scenarios on real parts tell alike: their count, the reasons of what failed, and
a crash in a process's log.

hack/test ends with those reasons, for whoever reads the end of a long output.
"""

import os
import re

# Of a process that crashes, what matters and can be read: whoever imports this starts others with it.
os.environ.setdefault("SWIFT_BACKTRACE", "threads=crashed,registers=none,images=none")

CRASH = re.compile(r"Fatal error|Program crashed|💣|Assertion failed|terminated by signal|\*\*\* Signal \d+|SWIFT TASK CONTINUATION MISUSE")


class Tally:
    """Counts scenarios by verdict and keeps why one failed."""

    def __init__(self, program):
        self.program, self.passed, self.failed, self.skipped, self.reasons = program, 0, 0, 0, []

    def fail(self, name, error):
        self.failed += 1
        first = (str(error).strip().splitlines() or ["no word"])[0]
        self.reasons.append(f"{self.program} {name}: {type(error).__name__}: {first}")

    def end(self, path):
        """Writes "passed failed skipped" and a line for each reason to the file; returns the exit code."""
        if path:
            with open(path, "w") as file:
                file.write(f"{self.passed} {self.failed} {self.skipped}\n" + "".join(reason + "\n" for reason in self.reasons))
        print(f"{self.program}: {self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0


def crash(log, lines=60):
    """The first lines of the last crash that the log tells of: what happened, and the thread it happened on."""
    try:
        with open(log, errors="replace") as file:
            text = file.read().splitlines()
    except OSError:
        return []
    found = [number for number, line in enumerate(text) if CRASH.search(line)]
    if not found:
        return []
    # A crash is told by several such lines, close together.
    first = found[-1]
    for number in reversed(found):
        if first - number > 20:
            break
        first = number
    return text[first:first + lines]


def tell(log, lines, tally=None):
    """Prints the last crash that the log tells of, if there is one, and its end; a crash is a reason, too, perhaps of an earlier scenario."""
    crashed = crash(log)
    if crashed:
        print(f"      {os.path.basename(log)} tells of a crash:")
        if tally:
            tally.reasons += [f"    {line[:300]}" for line in crashed[:30]]
        for line in crashed:
            print("      | " + line)
    if os.path.exists(log):
        print(f"      {os.path.basename(log)} ends with:")
        with open(log, errors="replace") as file:
            for line in file.read().splitlines()[-lines:]:
                print("      | " + line)
