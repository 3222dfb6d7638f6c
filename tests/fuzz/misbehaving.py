"""Stands in for the routes, to try their watch: case 1 ends the process, 2 never ends, 3 takes memory, 4 tells a fault."""

import os
import time

from tests.fuzz.watched import Fault, jobs, tell

LARGE = 400 << 20
"""Bytes."""


def _meet(number: int) -> list[Fault]:
    if number == 1:
        os.abort()
    while number == 2:
        pass
    if number == 3:
        time.sleep(60 * len({b"x" * (LARGE)}))
    return [Fault(number, "", "foreign", "told")] if number == 4 else []


if __name__ == "__main__":
    for job in jobs():
        numbers, found = job["numbers"], []
        if job["route"] == "picture: build":  # takes all cases together
            tell(-1, [])
            found = [fault._replace(number=-1) for number in numbers for fault in _meet(number)]
        else:
            for number in numbers:
                tell(number, found)
                found = _meet(number)
        tell(-1, found, done=True)
