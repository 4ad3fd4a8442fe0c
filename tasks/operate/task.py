"""Tell of nights, releases and mornings as Prefect tasks; a message that fails stops nothing."""

from __future__ import annotations

import os
import socket

from schemas.identifiers import SiteCode
from schemas.run.nights import NEEDS_A_PERSON, NightRecord, last_night
from schemas.run.settings import read_settings
from schemas.run.shown_runs import get_run_logger, task
from schemas.run.sites import site_code
from schemas.run.zones import Zones
from tasks.operate import store
from tasks.operate.digest import night_text, unrecorded_night
from tasks.operate.store_notify import notify


@task(name="tell-night", retries=0)
def tell_night(site: str, since: str, failure: str = "") -> None:
    """Write metrics and log of the night that has just ended; tell somebody if it must be told.

    Parameters
    ----------
    site : str
        Site code.
    since : str
        When the run began, as records of nights say it: an earlier record is not of this night.
    failure : str
        What ended the night, without values; it is told where the night left no record.
    """
    settings, code = read_settings(), site_code(site)
    record = _record_of_this_run(settings.zones, code, since)
    if record is None:
        if failure:
            send_message.fn(*unrecorded_night(code, failure))
        return
    try:
        store.write_night(settings.zones, record)
    except OSError as error:  # a full disk must not keep anybody from being told
        get_run_logger().error("metrics of the night were not written: %s", error.strerror)
    if record.state in NEEDS_A_PERSON:
        text = night_text(record)
        send_message.fn(text.partition(". ")[0], text)


def _record_of_this_run(zones: Zones, code: SiteCode, since: str) -> NightRecord | None:
    """Return the record that this process has written since then; none of an earlier night."""
    try:
        record = last_night(zones, code, busy=False)
    except (OSError, ValueError):
        return None
    mine = (socket.gethostname(), os.getpid())
    is_mine = record is not None and (record.host, record.pid) == mine and record.begun >= since
    return record if is_mine else None


@task(name="tell", retries=0)
def send_message(subject: str, text: str) -> None:
    """Send one message wherever the settings say."""
    for failure in notify(read_settings(), subject, text):
        get_run_logger().error("a message was not delivered: %s", failure)
