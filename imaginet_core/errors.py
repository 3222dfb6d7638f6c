"""What is told of errors that other libraries raise."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says anything; the name of its class where it has none."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line), type(error).__name__)
