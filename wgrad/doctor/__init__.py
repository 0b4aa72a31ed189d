"""What `wgrad doctor` and `wgrad devices` know: which devices there are, and whether they work.

A driver that is broken may end the process that loads it. So this process loads none: adapters are
listed in a child (probe.py), and each is tried in a child of its own (selftest.py).
"""

from .examination import Report as Report
from .examination import examine as examine
from .examination import listed as listed
from .examination import trouble as trouble
