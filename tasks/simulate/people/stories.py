"""All stories in the order in which subjects get them: everyday ones, then every limit."""

from __future__ import annotations

from tasks.simulate.people.boundary_stories import BOUNDARY_STORIES
from tasks.simulate.people.scenarios import EVERYDAY, Scenario

STORIES: tuple[Scenario, ...] = (*EVERYDAY, *BOUNDARY_STORIES)
