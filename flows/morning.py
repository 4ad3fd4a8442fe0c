"""The morning digest: what came in the night, what did not, and who has to do something."""

from __future__ import annotations

from typing import Any

from flows.home_facts import make_digest
from schemas.run.log_redaction import RUN_LOGGERS, redact_handlers
from schemas.run.settings import read_settings
from schemas.run.shown_runs import create_markdown_artifact, flow
from schemas.run.stage_errors import redacted_errors
from tasks.operate.digest import subject_of
from tasks.operate.facts import Level
from tasks.operate.task import send_message


@flow(name="morning-digest", flow_run_name="morning-digest", retries=0)
def morning_digest() -> dict[str, Any]:
    """Write the digest of this morning, and send it where the settings say.

    Returns
    -------
    dict
        `day`, `act` and `look`: how many things need a person, and how many a look.
    """
    redact_handlers(*RUN_LOGGERS)
    settings = read_settings()
    with redacted_errors("digest", settings.zones):
        told, text, day = make_digest(settings)
    create_markdown_artifact(key="morning", markdown=text)
    send_message(subject_of(told), text)
    acts = sum(one.level is Level.ACT for one in told)
    return {"day": day, "act": acts, "look": len(told) - acts}
