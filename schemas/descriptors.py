"""Free text of a header reduced to technique words of a closed vocabulary.

What is not in the vocabulary is dropped: a series name stays useful and a person's name
never survives. The vocabulary is `data_contracts/deidentification/descriptor_vocabulary.txt`.
"""

from __future__ import annotations


def clean_descriptor(text: str) -> str:
    """Return the technique words of `text`, in order, lower case, joined by one space."""
    raise NotImplementedError


def read_agent_class(text: str) -> str | None:
    """Return extracellular, gadoxetate, iodinated or None when the text names no known agent."""
    raise NotImplementedError
