"""A signal ends a run at once, and only once, and is never lost."""

import os
import signal
import subprocess
import sys

import pytest

from secret_action.cancellation import Cancellation
from secret_action.errors import CancelledError


@pytest.fixture
def cancellation():
    """Installed for one test; the test runner's own handlers come back."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    cancellation = Cancellation()
    cancellation.install()
    yield cancellation
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_is_the_same_error(cancellation, number):
    """The runner sends SIGINT, then SIGTERM; a terminal that closes sends SIGHUP."""
    with pytest.raises(CancelledError, match=signal.Signals(number).name):
        send(number)


def test_a_second_signal_does_not_disturb_the_first(cancellation):
    """While the error is being dealt with, an undo is under way."""
    with pytest.raises(CancelledError, match="SIGINT") as caught:
        send(signal.SIGINT)
    send(signal.SIGTERM)
    assert caught.value


def test_an_error_that_python_swallowed_is_raised_again_by_the_next_signal(cancellation):
    """`__del__` and weak references' callbacks lose errors."""

    class Swallows:
        def __del__(self):
            send(signal.SIGINT)

    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        thing = Swallows()
        del thing
    finally:
        sys.unraisablehook = hook
    with pytest.raises(CancelledError):
        send(signal.SIGTERM)


def test_a_shield_puts_it_off(cancellation):
    """A token is handed back before the run ends."""
    reached = []

    def shielded():
        with cancellation.shielded():
            send()
            reached.append(True)

    with pytest.raises(CancelledError):
        shielded()
    assert reached


def test_during_an_import_it_comes_a_moment_later():
    """An error there would be swallowed and leave the import lock held: the run would hang and obey no signal."""
    program = """
import os, signal, sys, time
from secret_action.cancellation import Cancellation
from secret_action.errors import CancelledError
class Finder:
    def find_spec(self, name, path, target=None):
        os.kill(os.getpid(), signal.SIGTERM)
        return None
Cancellation().install()
sys.meta_path.insert(0, Finder())
try:
    try:
        import nothing_of_that_name
    except ModuleNotFoundError:
        print("import ended")
    time.sleep(10)
except CancelledError:
    print("cancelled")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout.split("\n")[:2] == ["import ended", "cancelled"], done.stderr
