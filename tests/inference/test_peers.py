"""What breaks because another process died is a sentence that names it. Under torchrun: tests/test_interrupts.py."""

import signal

import pytest

from modelheir import interrupts
from modelheir.checks import InputError
from modelheir.inference import peers
from modelheir.inference.peers import Peers
from modelheir.inference.runtime import Runtime
from modelheir.runs.lock import this_process

GLOO = RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:4242")


@pytest.fixture
def met(monkeypatch):
    """Return a function that makes this process the first of three, of which some have died."""
    said = set()
    monkeypatch.setattr(interrupts._Now, "held", 0)  # and so put back in the end
    monkeypatch.setattr(peers, "_WAIT", 0.0)
    monkeypatch.setattr(peers, "_say_stopped", said.add)
    monkeypatch.setattr(peers, "_has_said", said.__contains__)

    def make(*dead, said_so=()):
        said.update(said_so)
        found = Peers(Runtime("cpu"))
        found.everyone = [{**this_process(), **({"pid": 2**22 + 1 + n} if n in dead else {})} for n in range(3)]
        return found, said

    return make


def breaking(found, error):
    with found.watched():
        raise error


@pytest.mark.parametrize("error", [GLOO, interrupts.Stopped(signal.SIGTERM), ValueError("what it led to")])
def test_a_process_that_died_is_named_whatever_that_led_to(met, error):
    with pytest.raises(interrupts.PeerLost, match=r"^process 2 \(pid 4194307\) of 3 was lost, .* same command again"):
        breaking(met(2)[0], error)
    with pytest.raises(interrupts.PeerLost, match=r"^processes 1 \(pid 4194306\), 2 .* of 3 were lost"):
        breaking(met(1, 2)[0], error)


def test_the_launchers_signal_does_not_cut_the_sentence_short(met, monkeypatch):
    """It comes while this process looks who died, and again means what the broken connection means."""
    found, _ = met(2)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(peers, "_has_said", lambda rank: signal.raise_signal(signal.SIGTERM))
    try:
        with pytest.raises(interrupts.PeerLost, match="process 2 "), interrupts.listening():
            breaking(found, GLOO)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        interrupts._Now.number = 0


def test_a_process_that_a_signal_ended_is_not_lost_and_this_one_says_so_too(met):
    found, said = met(1, said_so=[1])
    with pytest.raises(interrupts.Stopped) as stop:
        breaking(found, KeyboardInterrupt())
    assert stop.value.code == 130
    assert said == {0, 1}


def test_a_broken_connection_alone_is_a_sentence_and_other_errors_stay(met):
    with pytest.raises(interrupts.PeerLost, match="process 0 of 3 lost its connection to another one"):
        breaking(met()[0], GLOO)
    for error in (InputError("seed = -1"), ValueError("ours")):
        with pytest.raises(type(error), match=str(error)):
            breaking(met()[0], error)
    with pytest.raises(InputError):
        breaking(met(1)[0], InputError("a mistake stays one"))


def test_one_process_has_no_peers():
    with pytest.raises(RuntimeError, match="gloo"):
        breaking(Peers(Runtime("cpu")), GLOO)
