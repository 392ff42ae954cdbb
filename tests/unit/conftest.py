# Copyright (c) 2026, netviz.sflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How property tests search.

By default the examples follow from the test alone, so that a red run is due to the change it was run for.
HYPOTHESIS_PROFILE=search looks at new ones every time, and at many more.
"""

import os

from hypothesis import HealthCheck, settings

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # the machines of CI are slow and noisy
settings.register_profile("repeatable", derandomize=True, **_COMMON)
settings.register_profile("search", derandomize=False, max_examples=5000, print_blob=True, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
