"""Keys that one side has refused lately: left out for a while, so that all others go on. Pure."""

from dataclasses import dataclass, field

from zkoperator.mirror.model.decision import Problem


@dataclass(slots=True)
class SkippedKeys:
    """Problems by key, each until a moment of its own. Times are monotonic seconds."""

    _known: dict[str, tuple[Problem, float]] = field(default_factory=dict)

    def note(self, problem: Problem, until_s: float) -> None:
        """Leave the key out until then."""
        self._known[problem.name] = problem, until_s

    def at(self, now_s: float) -> dict[str, Problem]:
        """Return what stands now, and forget the rest."""
        for key in [key for key, (_, until_s) in self._known.items() if until_s <= now_s]:
            del self._known[key]
        return {key: problem for key, (problem, _) in self._known.items()}

    def next_s(self, now_s: float) -> float | None:
        """Return the seconds until the next key is tried again, None while none is left out."""
        return min((until_s - now_s for _, until_s in self._known.values()), default=None)

    def clear(self) -> None:
        """Try everything again."""
        self._known.clear()
