"""Imports go one way: no cycles, type-checking imports included, and features of the app do not import each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import grimp
import pytest

FEATURES = ("predict", "train", "history", "models", "evaluation", "files")


@pytest.fixture(scope="module")
def imports() -> Mapping[str, frozenset[str]]:
    """The modules that each module of the package imports."""
    graph = grimp.build_graph("weibo_tui", exclude_type_checking_imports=False, cache_dir=None)
    return {module: frozenset(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def reachable(imports: Mapping[str, frozenset[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for module in imports[waiting.pop()] - found:
            found.add(module)
            waiting.append(module)
    return found


def test_modules_have_no_import_cycle(imports: Mapping[str, frozenset[str]]) -> None:
    assert [module for module in sorted(imports) if module in reachable(imports, module)] == []


def test_features_do_not_import_each_other(imports: Mapping[str, frozenset[str]]) -> None:
    def crossing() -> Iterator[tuple[str, str]]:
        for module, targets in imports.items():
            for feature in FEATURES:
                others = tuple(f"weibo_tui.app.{other}." for other in FEATURES if other != feature)
                if module.startswith(f"weibo_tui.app.{feature}."):
                    yield from ((module, target) for target in targets if target.startswith(others))

    assert sorted(crossing()) == []
