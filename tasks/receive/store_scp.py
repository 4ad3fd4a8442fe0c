"""A DICOM listener: C-ECHO answers, C-STORE is kept, nothing else is offered (PS3.4 B)."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, PYNETDICOM_IMPLEMENTATION_UID, evt

from schemas.errors import EnvironmentProblemError
from schemas.identifiers import SiteCode
from schemas.run.zones import Zones
from tasks.receive.pacs import STORED_CLASSES, Receipt, file_head, told_class
from tasks.receive.store_pacs import is_full, keep_object, write_receipt

_VERIFICATION = "1.2.840.10008.1.1"
_NOBODY = "NOT_A_SITE"
_PDU_BYTES = 1 << 18
_ASSOCIATIONS = 16
_TIMEOUT_S = 60
#: PS3.4 B.2.3: out of resources; PS3.7 C.5.10: processing failure.
_SUCCESS, _FULL, _FAILED = 0x0000, 0xA700, 0x0110
_log = logging.getLogger("livercohort")


@contextmanager
def listening(
    zones: Zones,
    titles: Mapping[str, str],
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None = None,
    told: Callable[[Receipt], None] = lambda receipt: None,
) -> Iterator[int]:
    """Listen for the time of the block; yield the port.

    Parameters
    ----------
    zones : Zones
        Where the inbox lies.
    titles : mapping of AE title to site code
        An association to any other title is rejected.
    host, port
        Where to listen; port 0 takes a free one.
    tls : SSLContext, optional
        Speak TLS (PS3.15 B).
    told : callable
        Gets the receipt of each association that has ended.

    Raises
    ------
    EnvironmentProblemError
        If the port cannot be taken.
    """
    # Its messages quote what senders send.
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
    entity = AE(ae_title=_NOBODY)
    entity.require_called_aet = True
    entity.maximum_associations = _ASSOCIATIONS
    entity.maximum_pdu_size = _PDU_BYTES
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = _TIMEOUT_S
    entity.add_supported_context(_VERIFICATION)
    for uid in STORED_CLASSES:
        entity.add_supported_context(uid, ALL_TRANSFER_SYNTAXES)
    book = _Book(zones, titles, told)
    handlers: list[Any] = [
        (evt.EVT_REQUESTED, book.requested),
        (evt.EVT_ACCEPTED, book.accepted),
        (evt.EVT_C_STORE, book.store),
        (evt.EVT_RELEASED, book.released),
        (evt.EVT_ABORTED, book.aborted),
        (evt.EVT_CONN_CLOSE, book.aborted),
    ]
    try:
        server = entity.start_server(
            (host, port), block=False, evt_handlers=handlers, ssl_context=tls
        )
    except OSError as error:
        raise EnvironmentProblemError(
            f"the port cannot be taken: {error.strerror}", where=f"{host}:{port}"
        ) from None
    try:
        yield int(server.server_address[1])  # type: ignore[union-attr]
    finally:
        server.shutdown()  # type: ignore[union-attr]
        entity.shutdown()


class _Book:
    """Whose each association is, and its receipt."""

    def __init__(
        self, zones: Zones, titles: Mapping[str, str], told: Callable[[Receipt], None]
    ) -> None:
        self._zones = zones
        self._titles = titles
        self._told = told
        self._open: dict[int, Receipt] = {}
        self._number = 0
        self._guard = threading.Lock()

    def requested(self, event: Any) -> None:
        called = str(event.assoc.requestor.primitive.called_ae_title).strip()
        if called in self._titles:
            # The listener answers under the title of the site that is meant; else it rejects.
            event.assoc.acceptor.ae_title = called

    def accepted(self, event: Any) -> None:
        receipt = Receipt(self._titles[event.assoc.acceptor.ae_title.strip()], _now())
        # A sender offers one class in several contexts, one for each transfer syntax.
        receipt.refused_classes.update(
            {told_class(context.abstract_syntax) for context in event.assoc.rejected_contexts}
        )
        with self._guard:
            self._open[id(event.assoc)] = receipt

    def store(self, event: Any) -> int:
        receipt = self._open[id(event.assoc)]
        try:
            head = file_head(
                str(event.request.AffectedSOPClassUID),
                str(event.request.AffectedSOPInstanceUID),
                str(event.context.transfer_syntax),
                writer=PYNETDICOM_IMPLEMENTATION_UID,
            )
            data = head + event.encoded_dataset(include_meta=False)
            new = keep_object(self._zones, SiteCode(receipt.site_code), data)
        except OSError as error:
            receipt.failed += 1
            _log.error("%s: an object was not kept: %s", receipt.site_code, error.strerror)
            return _FULL if is_full(error) else _FAILED
        except Exception as error:
            receipt.failed += 1
            name = type(error).__name__
            _log.error("%s: an object was not kept: %s", receipt.site_code, name)
            return _FAILED
        receipt.stored += new
        receipt.repeated += not new
        receipt.n_bytes += len(data)
        receipt.stored_classes[told_class(event.request.AffectedSOPClassUID)] += 1
        return _SUCCESS

    def released(self, event: Any) -> None:
        self._end(event, "released")

    def aborted(self, event: Any) -> None:
        self._end(event, "aborted")

    def _end(self, event: Any, how: str) -> None:
        with self._guard:
            receipt = self._open.pop(id(event.assoc), None)
            self._number += 1
            number = self._number
        if receipt is None:
            return
        receipt.ended, receipt.how = _now(), how
        write_receipt(self._zones, receipt, number)
        self._told(receipt)


def tls_context(certificate: Path, key: Path, authority: Path | None) -> ssl.SSLContext:
    """Return TLS as the listener speaks it; with an authority, senders must show a certificate.

    Raises
    ------
    EnvironmentProblemError
        If a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        if authority is not None:
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise EnvironmentProblemError(
            f"certificate, key or authority cannot be used: {error.strerror or 'not PEM'}"
        ) from None
    return context


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
