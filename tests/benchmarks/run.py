"""Run every benchmark, one after another, and print their tables as Markdown.

    python tests/benchmarks/run.py [NAME...]

Names: startup, checking, evaluation, step_cost, ensemble_speed; all by default.  A quiet
machine is asked for: whatever else runs is in the numbers.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NAMES = ("startup", "checking", "evaluation", "step_cost", "ensemble_speed")


def main() -> None:
    """Run those that are asked for."""
    asked = sys.argv[1:] or NAMES
    unknown = [name for name in asked if name not in NAMES]
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    failed = []
    for name in asked:
        script = Path(__file__).with_name(f"{name}.py")
        if subprocess.run([sys.executable, str(script)], check=False).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
