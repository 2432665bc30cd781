"""Small random models of families, a module for each mechanism. Each has

- CASES: by name, the class of the configuration, what is unusual, and what published configurations say besides;
- VARIANTS: larger ones of `make interop`: name, case, what is otherwise;
- NO_GGUF, INEXACT, NO_PROGRAM: variants that llama.cpp has no place for, that go there with --allow-inexact only, and of which its
  program computes something else.
"""

from . import layers, recurrent, routers_and_attention

GROUPS = [routers_and_attention, layers, recurrent]
CASES = {name: case for group in GROUPS for name, case in group.CASES.items()}
VARIANTS = [variant for group in GROUPS for variant in group.VARIANTS]
VARIANTS += [(f"{name}-wide", name, {}) for name in CASES if f"{name}-wide" not in {variant[0] for variant in VARIANTS}]
NO_GGUF, INEXACT, NO_PROGRAM = (
    {name for group in GROUPS for name in getattr(group, kind)} for kind in ("NO_GGUF", "INEXACT", "NO_PROGRAM"))


def seed(name):
    """By the place in its own module, so that modules do not move each other's."""
    return next(1 + list(group.CASES).index(name) for group in GROUPS if name in group.CASES)
