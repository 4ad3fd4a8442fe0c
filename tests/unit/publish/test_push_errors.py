"""A store that cannot be written to: the release stands here, and people read what to do."""

from __future__ import annotations

from schemas.errors import StorageError
from tasks.publish.store_remote import _not_copied


def test_what_a_store_refused_is_told_with_what_to_do_and_that_the_release_stands() -> None:
    refused = StorageError("the store has no such bucket", hint="Make the bucket.")
    told = _not_copied("1.2.0", refused)
    assert told.found.startswith("release 1.2.0 is published here, but")
    assert told.found.endswith("the store has no such bucket")
    assert told.hint.startswith("Make the bucket. Then run `livercohort release` again")


def test_a_folder_that_cannot_be_written_is_told_by_the_systems_words() -> None:
    told = _not_copied("1.2.0", PermissionError(13, "Permission denied", "/secret"))
    assert "Permission denied" in told.message
    assert "secret" not in told.message
