"""What `make mutants` relies on: the faults it makes, and that it notices who finds them."""

import ast
import shutil
from pathlib import Path

from tests.mutants import IGNORED, MODULES, ROOT, Mutant, mismatches, mutants, survives

SAMPLED = [
    "codec/temporal_codec/pipeline.py",
    "codec/temporal_codec/policy/patterns.py",
    "handlers/access/permissions.py",
]
SOURCE = '''"""A module."""

from typing import TypeVar

LIMIT = 3
T = TypeVar("T")


def within(size: int, name: str = "all") -> bool:
    """Whether it fits."""
    if not name or size < 0:
        raise ValueError(f"no {name}")
    print("asked")
    return size <= LIMIT and name != "none"
'''


def test_each_kind_of_fault_is_made() -> None:
    """Constants, comparisons, and/or, not, negated conditions, raises, calls, returns."""
    assert {each.name for each in mutants("m.py", SOURCE)} == {
        "m.py: 3 → 4",
        "m.py:within: 'all' → 'allX'",
        "m.py:within: if not name or size < 0: raise ValueError(f'no {name}') → ",
        "m.py:within: not name or size < 0 → (not name and size < 0)",
        "m.py:within: not name → (name)",
        "m.py:within: size < 0 → (size <= 0)",
        "m.py:within: 0 → 1",
        "m.py:within: raise ValueError(f'no {name}') → pass",
        "m.py:within: print('asked') → pass",
        "m.py:within: return size <= LIMIT and name != 'none' → return None",
        "m.py:within: size <= LIMIT and name != 'none' → (size <= LIMIT or name != 'none')",
        "m.py:within: size <= LIMIT → (size < LIMIT)",
        "m.py:within: name != 'none' → (name == 'none')",
        "m.py:within: 'none' → 'noneX'",
    }


def test_every_fault_of_the_modules_is_python() -> None:
    """A mutant that cannot be read would count as found."""
    for module in MODULES:
        source = (ROOT / module).read_text()
        unchanged = ast.dump(ast.parse(source))
        for each in mutants(module, source):
            assert ast.dump(ast.parse(each.source)) != unchanged, each.name


def test_who_is_found_and_who_survives(tmp_path: Path) -> None:
    """A fault that a test meets is found, one that none meets survives; the tree stays good."""
    (tmp_path / "m.py").write_text(SOURCE)
    (tmp_path / "test_m.py").write_text(
        "from m import within\n\n\ndef test_it():\n    assert within(3) and not within(4)\n"
    )
    found = {each.name: each for each in mutants("m.py", SOURCE)}

    def lives(mutant: Mutant) -> bool:
        return survives(mutant, "m.py", ["test_m.py"], tmp_path)

    assert lives(Mutant("", SOURCE))
    assert not lives(found["m.py: 3 → 4"])
    assert lives(found["m.py:within: 'none' → 'noneX'"])
    assert (tmp_path / "m.py").read_text() == SOURCE


def test_survivors_and_reasons_must_match() -> None:
    """A survivor without a reason is reported, and so is a reason without a survivor."""
    assert mismatches(["a", "b"], {"a": "…", "c": "…"}) == [
        "not explained: b",
        "explained, but killed: c",
    ]
    assert mismatches(["a"], {"a": "…"}) == []


def test_the_tests_of_each_module_exist() -> None:
    """A test that moved would end the run with "its tests fail without any fault"."""
    assert all((ROOT / test).exists() for tests in MODULES.values() for test in tests)


def test_a_sample_of_faults_is_found(tmp_path: Path) -> None:
    """CI tries a fault of each of these modules, which are tested quickly; `make mutants` all."""
    tree = Path(shutil.copytree(ROOT, tmp_path / "tree", ignore=IGNORED))
    for module in SAMPLED:
        found = list(mutants(module, (ROOT / module).read_text()))
        tried = found[len(found) // 2]
        assert not survives(tried, module, MODULES[module], tree), tried.name
    unchanged = Mutant("", (ROOT / SAMPLED[-1]).read_text())
    assert survives(unchanged, SAMPLED[-1], MODULES[SAMPLED[-1]], tree)
