"""Read a cohort release: tables as pandas frames, volumes as arrays with their affine.

>>> from livercohort import open_release
>>> release = open_release("releases/latest")
>>> release.series(label="MR_T1_HBP", eligible=True)
>>> volume = release.volume("S91-7PTUFKAO", "MR_T1_HBP")
"""

from livercohort.release import Release, ReleaseError, Volume, open_release

__all__ = ["Release", "ReleaseError", "Volume", "open_release"]
