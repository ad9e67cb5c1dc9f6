# SPDX-License-Identifier: GPL-3.0-or-later
"""TAP for Python tests: run(globals()) runs every function test_*; a function returns None, or the reason why it was skipped."""
import sys


def run(module):
    tests = [(n, f) for n, f in module.items() if n.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}")
    for number, (name, test) in enumerate(tests, 1):
        words = name[5:].replace("_", " ")
        try:
            why = test()
            print(f"ok {number} - {words}" + (f" # SKIP {why}" if why else ""))
        except Exception as e:  # a test that breaks is a failed test
            failed += 1
            text = str(e).replace("\n", "\n# ")
            print(f"not ok {number} - {words}\n# {type(e).__name__}: {text}")
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
