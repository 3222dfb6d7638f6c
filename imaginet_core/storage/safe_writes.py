"""One run at a time in a folder; the system lets go of the lock when a process ends, however it ends."""

import filelock


def lock_or_refuse(file: str, sentence: str) -> filelock.FileLock:
    """The lock on ``file``, held. Raises FileExistsError with the sentence where another process holds it."""
    lock = filelock.FileLock(file, blocking=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise FileExistsError(sentence) from error
    return lock
