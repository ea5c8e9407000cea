"""Names of signals, for what is said of processes that one ended."""

import signal


def signal_name(number: int) -> str:
    """The signal's name, or its number: most real-time signals have none.

    >>> signal_name(11), signal_name(40)
    ('SIGSEGV', '40')
    """
    return signal.Signals(number).name if number in set(signal.Signals) else str(number)
