"""One run per site at a time; a dead run's lease never blocks a night for long."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.errors import BusyError
from schemas.identifiers import SiteCode
from schemas.run.zones import Zones
from tasks.receive.store import sweep_interrupted
from tasks.receive.store_lease import EXPIRY_S, lease, require_still_held

SITE = SiteCode("S91")


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    return Zones(tmp_path)


def leave_lease(zones: Zones, **facts: object) -> Path:
    path = zones.operations / "leases" / "S91.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(facts))
    return path


def test_a_second_run_is_told_who_holds_the_site(zones: Zones) -> None:
    with (
        lease(zones, SITE),
        pytest.raises(BusyError, match="another run holds S91"),
        lease(zones, SITE),
    ):
        pass


def test_sites_do_not_block_one_another(zones: Zones) -> None:
    with lease(zones, SITE), lease(zones, SiteCode("S92")):
        assert len(list((zones.operations / "leases").iterdir())) == 2


def test_the_lease_is_given_back_even_when_the_night_fails(zones: Zones) -> None:
    with pytest.raises(ZeroDivisionError), lease(zones, SITE):
        raise ZeroDivisionError
    assert not list((zones.operations / "leases").iterdir())


def test_the_lease_of_a_dead_process_is_taken_over(zones: Zones) -> None:
    leave_lease(zones, owner="x", host=socket.gethostname(), pid=2**22 + 1, heartbeat=time.time())
    with lease(zones, SITE):
        pass


def silent(path: Path, seconds: float) -> None:
    """Make a lease look untouched for so long, by the clock of its disk."""
    now = path.stat().st_mtime
    os.utime(path, (now - seconds, now - seconds))


def test_a_lease_of_another_host_is_respected_until_it_expires(zones: Zones) -> None:
    path = leave_lease(zones, owner="x", host="elsewhere", pid=1, heartbeat=time.time())
    with pytest.raises(BusyError, match="elsewhere"), lease(zones, SITE):
        pass
    silent(path, EXPIRY_S + 5)
    with lease(zones, SITE):
        pass


@pytest.mark.parametrize("minutes", [-600, -11, 11, 600])
def test_a_clock_that_differs_takes_no_lease_of_a_living_process(
    zones: Zones, minutes: int
) -> None:
    beat = time.time() + minutes * 60
    path = leave_lease(zones, owner="x", host=socket.gethostname(), pid=os.getpid(), heartbeat=beat)
    silent(path, EXPIRY_S * 10)
    with pytest.raises(BusyError, match="another run holds S91"), lease(zones, SITE):
        pass


def test_a_clock_of_another_host_that_differs_takes_no_lease(zones: Zones) -> None:
    leave_lease(zones, owner="x", host="elsewhere", pid=1, heartbeat=time.time() - EXPIRY_S * 10)
    with pytest.raises(BusyError, match="elsewhere"), lease(zones, SITE):
        pass


def test_a_number_that_went_to_another_process_holds_nothing(zones: Zones) -> None:
    host = socket.gethostname()
    leave_lease(zones, owner="x", host=host, pid=os.getpid(), started="1", heartbeat=time.time())
    with lease(zones, SITE):
        pass


#: A run on another host that sleeps while it holds the site, and wakes up.
SLEEPER = """
import socket, sys
from pathlib import Path
socket.gethostname = lambda: "elsewhere"
from schemas.errors import BusyError
from schemas.identifiers import SiteCode
from schemas.run.zones import Zones
from tasks.receive.store_lease import lease, require_still_held
zones, site = Zones(Path(sys.argv[1])), SiteCode("S91")
with lease(zones, site):
    require_still_held(zones, site)
    print("holds", flush=True)
    sys.stdin.readline()
    try:
        require_still_held(zones, site)
    except BusyError as error:
        print(error.message, flush=True)
"""


def test_a_run_that_lost_its_lease_leaves_what_is_the_others_alone(zones: Zones) -> None:
    mine = zones.work / "S91-0123" / "mine"
    theirs = zones.work / "S91-0123" / "theirs"
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(zones.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sleeper:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "holds\n"
        theirs.parent.mkdir(parents=True)
        theirs.touch()
        path = zones.operations / "leases" / "S91.json"
        with pytest.raises(BusyError), lease(zones, SITE):
            pass  # it has not slept for long yet
        silent(path, EXPIRY_S + 5)
        with lease(zones, SITE):
            sweep_interrupted(zones, SITE)
            mine.parent.mkdir()
            mine.touch()
            told, _ = sleeper.communicate("wake up\n", timeout=60)
            assert "another run has taken S91 over" in told
            assert "host that does not sleep" in told
            require_still_held(zones, SITE)
            assert mine.is_file()
            assert not theirs.exists()
            assert path.is_file()


def test_who_holds_no_lease_is_not_asked_for_one(zones: Zones) -> None:
    require_still_held(zones, SITE)
    with lease(zones, SITE):
        require_still_held(zones, SITE)
