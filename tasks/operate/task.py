"""Tell of nights, releases and mornings as Prefect tasks; a message that fails stops nothing."""

from __future__ import annotations

import logging

from prefect import task

from schemas.run.nights import NEEDS_A_PERSON, last_night
from schemas.run.settings import read_settings
from schemas.run.sites import site_code
from tasks.operate import store
from tasks.operate.digest import night_text
from tasks.operate.store_notify import notify

_log = logging.getLogger("prefect.livercohort.operate")


@task(name="tell-night", task_run_name="tell-night", retries=0)
def tell_night(site: str) -> None:
    """Write metrics and log of the night that has just ended; tell somebody if it must be told."""
    settings, code = read_settings(), site_code(site)
    record = last_night(settings.zones, code, busy=False)
    if record is None:
        return
    try:
        store.write_night(settings.zones, record)
    except OSError as error:  # a full disk must not keep anybody from being told
        _log.error("metrics of the night were not written: %s", error.strerror)
    if record.state in NEEDS_A_PERSON:
        text = night_text(record)
        send_message(text.partition(". ")[0], text)


@task(name="tell", task_run_name="tell", retries=0)
def send_message(subject: str, text: str) -> None:
    """Send one message wherever the settings say."""
    for failure in notify(read_settings(), subject, text):
        _log.error("a message was not delivered: %s", failure)
