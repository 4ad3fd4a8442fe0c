"""Everything that keeps a run or a study out, told by file and line at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import BadInputError, ContractError
from schemas.rule_tables import problems_of


@dataclass(frozen=True)
class Problem:
    """One reason to refuse: where it stands, what was found, what was expected."""

    where: str
    found: str
    expected: str = ""

    @property
    def text(self) -> str:
        """The problem on one line."""
        expected = f" (expected: {self.expected})" if self.expected else ""
        return f"{self.where}: {self.found}{expected}"


class RefusedError(BadInputError):
    """A run or study that is not taken in; `problems` holds every reason."""

    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> RefusedError:
        """Return one error that tells all problems, the first 20 in words."""
        told = [one.text for one in problems[:20]]
        more = len(problems) - len(told)
        error = cls(
            f"refused for {len(problems)} reason(s): {'; '.join(told)}"
            + (f"; and {more} more" if more else ""),
            hint="Nothing was taken in. Mend the files, or run the test again under a new name.",
        )
        error.problems = tuple(problems)
        return error


def require_none(problems: Sequence[Problem]) -> None:
    """Raise RefusedError when there is a problem."""
    if problems:
        raise RefusedError.of(problems)


def problems_told(error: ContractError) -> list[Problem]:
    """Return the problems that a reader of tables found."""
    return [Problem(p.where, p.found, p.expected) for p in problems_of(error)]
