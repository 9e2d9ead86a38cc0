"""Which tests one process runs where several run them: `pytest -n 2`."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

# Their tests share what takes seconds to set up: a Ray cluster and servers, a browser and the page of a report.
FOLDERS = ("tests/engines/", "tests/page/")


class Together(LoadScopeScheduling):
    """Hands out tests by file, as a file's tests share what it sets up, and those of some folders by folder."""

    def _split_scope(self, nodeid: str) -> str:
        return next(filter(nodeid.startswith, FOLDERS), nodeid.partition("::")[0])
