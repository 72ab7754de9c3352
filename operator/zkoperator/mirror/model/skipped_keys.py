"""Keys that one side has refused lately: left out for a while, so that all others go on. Pure."""

from dataclasses import dataclass, field

from zkoperator.mirror.model.decision import Problem


@dataclass(slots=True)
class SkippedKeys:
    """Problems by key, each with the time at which it ends, in monotonic seconds."""

    _known: dict[str, tuple[Problem, float]] = field(default_factory=dict)

    def note(self, problem: Problem, until_s: float) -> None:
        """Skip the key until `until_s`."""
        self._known[problem.name] = problem, until_s

    def at(self, now_s: float) -> dict[str, Problem]:
        """Return the problems of keys that are skipped now, and forget the others."""
        for key in [key for key, (_, until_s) in self._known.items() if until_s <= now_s]:
            del self._known[key]
        return {key: problem for key, (problem, _) in self._known.items()}

    def next_s(self, now_s: float) -> float | None:
        """Return the seconds until the next key is tried again, None while no key is skipped."""
        return min((until_s - now_s for _, until_s in self._known.values()), default=None)

    def clear(self) -> None:
        """Try everything again."""
        self._known.clear()
