"""The vault's tables in SQLite or PostgreSQL, one writer at a time, append-only by triggers.

Rows are only ever added, with two exceptions. A seal may leave after a newer seal of the same
row stands beside it: that is how a new secret takes over from an old one. And what links a
subject to a person may leave after its erasure was recorded. An owner of the database can drop
triggers; they keep programs from mistakes, the look-up log's chain shows tampering.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.pool import NullPool

from schemas.errors import EnvironmentProblemError
from schemas.run.atomic_files import make_folder

#: Where a vault lies: a SQLite file, or the URL of a PostgreSQL database.
VaultPlace = Path | SecretStr

_BUSY_SECONDS = 60
_CONNECT_SECONDS = 10
#: Names the lock that writers of one vault take in PostgreSQL.
_LOCK_KEY = 0x4C435641
_WRITES = "vault_writes"
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

metadata = sa.MetaData()
subject = sa.Table(
    "subject",
    metadata,
    sa.Column("token", _TEXT, primary_key=True),
    sa.Column("site", _TEXT, nullable=False),
    sa.Column("subject_id", _TEXT, nullable=False, unique=True),
    sa.Column("key_id", _TEXT, nullable=False),
)
patient_link = sa.Table(
    "patient_link",
    metadata,
    sa.Column("token", _TEXT, primary_key=True),
    sa.Column("site", _TEXT, nullable=False),
    sa.Column("subject_id", _TEXT, sa.ForeignKey("subject.subject_id"), nullable=False),
)
person_link = sa.Table(
    "person_link",
    metadata,
    sa.Column("token", _TEXT, primary_key=True),
    sa.Column("subject_id", _TEXT, sa.ForeignKey("subject.subject_id"), primary_key=True),
)
erasure = sa.Table(
    "erasure",
    metadata,
    sa.Column("subject_id", _TEXT, sa.ForeignKey("subject.subject_id"), primary_key=True),
)
look_up = sa.Table(
    "look_up",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at_utc", _TEXT, nullable=False),
    sa.Column("subject_token", _TEXT, sa.ForeignKey("subject.token"), nullable=False),
    sa.Column("previous_mac", _TEXT, nullable=False),
    sa.Column("mac", _TEXT, nullable=False),
)
seal = sa.Table(
    "seal",
    metadata,
    sa.Column("token", _TEXT, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)

_REFUSED = "the vault is append-only"
_ERASED = "SELECT 1 FROM erasure WHERE subject_id = OLD.subject_id"
#: When a row may leave, by table; a row of any other table never may.
_MAY_GO = {
    "patient_link": _ERASED,
    "person_link": _ERASED,
    "seal": "SELECT 1 FROM seal WHERE token = OLD.token AND version > OLD.version "
    "UNION ALL SELECT 1 FROM erasure e JOIN subject s ON s.subject_id = e.subject_id "
    "WHERE s.token = OLD.token "
    "UNION ALL SELECT 1 FROM erasure e JOIN patient_link p ON p.subject_id = e.subject_id "
    "WHERE p.token = OLD.token",
}


class VaultDatabase:
    """Connections to one vault; errors name neither its address nor a value.

    Parameters
    ----------
    place : Path or SecretStr
        The SQLite file, inside the restricted zone, or `postgresql://user@host/database`.
    """

    def __init__(self, place: VaultPlace) -> None:
        self._file = place if isinstance(place, Path) else None
        self.name = place.name if isinstance(place, Path) else "the vault's PostgreSQL database"
        self._engine = _sqlite(place) if isinstance(place, Path) else _postgresql(place)

    def is_made(self) -> bool:
        """Return whether anything was ever filed."""
        # A kill while the vault is made leaves an empty file, which is no vault yet.
        if self._file and not (self._file.is_file() and self._file.stat().st_size > 0):
            return False
        with self.reading() as connection:
            return _has_tables(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the vault."""
        with self._plain_errors(), self._engine.connect() as connection, connection.begin():
            yield connection

    def everything(self) -> list[tuple[str, list[tuple[object, ...]]]]:
        """Return every row of every table, in the order of their keys: nothing is opened."""
        with self.reading() as connection:
            if not _has_tables(connection):
                return []
            return [
                (
                    table.name,
                    [
                        tuple(row)
                        for row in connection.execute(sa.select(table).order_by(*table.primary_key))
                    ],
                )
                for table in metadata.sorted_tables
            ]

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the only connection that may write now; all is kept, or nothing on an error."""
        if self._file:
            make_folder(self._file.parent, closed=True)
            if not self._file.exists():
                os.close(os.open(self._file, os.O_CREAT | os.O_RDWR, 0o600))
        engine = self._engine.execution_options(**{_WRITES: True})
        with self._plain_errors(), engine.connect() as connection, connection.begin():
            _make_tables(connection)
            yield connection

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            # What a driver says may quote the address and the user.
            full = " (No space left on device)" if "disk is full" in str(error.orig) else ""
            raise EnvironmentProblemError(
                f"the vault's database refused: {type(error).__name__}{full}",
                where=self.name,
                hint="Check with `livercohort doctor` that it is whole, reachable and writable.",
            ) from None


def _sqlite(file: Path) -> Engine:
    url = URL.create("sqlite", database=str(file))
    engine = _engine(url, {"timeout": _BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # we begin ourselves
        for pragma in ("foreign_keys = ON", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]  # driver's own

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(place: SecretStr) -> Engine:
    try:
        url = make_url(place.get_secret_value())
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() != "postgresql":
        raise EnvironmentProblemError(
            "the vault's address is not that of a PostgreSQL database",
            expected="postgresql://user@host/database",
            where="LIVERCOHORT_VAULT_URL",
            hint="Unset it to keep the vault in a file below the home.",
        )
    engine = _engine(
        url.set(drivername="postgresql+psycopg"), {"connect_timeout": _CONNECT_SECONDS}
    )

    @sa.event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    return engine


def _engine(url: URL, arguments: dict[str, object]) -> Engine:
    return sa.create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=arguments)


def _make_tables(connection: Connection) -> None:
    if _has_tables(connection):
        return
    is_sqlite = connection.dialect.name == "sqlite"
    metadata.create_all(connection)
    for statement in _sqlite_triggers() if is_sqlite else _postgresql_triggers():
        connection.exec_driver_sql(statement)


def _sqlite_triggers() -> Iterator[str]:
    stop = f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
    for table in metadata.sorted_tables:
        name = table.name
        may_go = f" WHEN NOT EXISTS ({_MAY_GO[name]})" if name in _MAY_GO else ""
        # REPLACE takes rows away without a delete trigger: a second row of a key is refused.
        keys = " AND ".join(f"{c.name} = NEW.{c.name}" for c in table.primary_key.columns)
        same = f"({keys})" + (" OR subject_id = NEW.subject_id" if name == "subject" else "")
        known = f"EXISTS (SELECT 1 FROM {name} WHERE {same})"  # noqa: S608  fixed names
        yield f"CREATE TRIGGER {name}_update BEFORE UPDATE ON {name} {stop}"
        yield f"CREATE TRIGGER {name}_delete BEFORE DELETE ON {name}{may_go} {stop}"
        yield f"CREATE TRIGGER {name}_replace BEFORE INSERT ON {name} WHEN {known} {stop}"


def _postgresql_triggers() -> Iterator[str]:
    refuse = f"RAISE EXCEPTION '{_REFUSED}'"
    bodies = {"vault_refuse": ""} | {
        f"vault_{name}_may_go": f"IF EXISTS ({condition}) THEN RETURN OLD; END IF;"
        for name, condition in _MAY_GO.items()
    }
    for function, body in bodies.items():
        yield (
            f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql "
            f"AS $$ BEGIN {body} {refuse}; END $$"
        )
    for table in metadata.sorted_tables:
        name = table.name
        delete = f"vault_{name}_may_go" if name in _MAY_GO else "vault_refuse"
        for event, level, function in (
            ("UPDATE", "ROW", "vault_refuse"),
            ("DELETE", "ROW", delete),
            ("TRUNCATE", "STATEMENT", "vault_refuse"),
        ):
            yield (
                f"CREATE TRIGGER {name}_{event.lower()} BEFORE {event} ON {name} "
                f"FOR EACH {level} EXECUTE FUNCTION {function}()"
            )


def _has_tables(connection: Connection) -> bool:
    """Return whether the tables are there; a part of them is nothing we could go on with."""
    there = set(metadata.tables) & set(sa.inspect(connection).get_table_names())
    if there and there != set(metadata.tables):
        raise EnvironmentProblemError(
            "the vault's tables are not those of this software",
            expected=", ".join(sorted(metadata.tables)),
            hint="Restore a whole copy of the vault, or use the software that made it.",
        )
    return bool(there)
