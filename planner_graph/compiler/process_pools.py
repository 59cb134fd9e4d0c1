"""Pools that all runs of this process share, whatever threads and event loops they run in.

The scheduler of a run says what it wants; what it gets is decided here. Wants stand in one line, by how much of those
pools their run holds, then by age; so no run that holds nothing is passed over for long. What becomes free is granted
at once, and the run that it was granted to is woken. A want that lacks something keeps others from taking what it waits
for, so that a large one is not starved by small ones; but one that lacks only a rate holds up only wants of that
rate.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from planner_graph.catalog.pool import rate_window
from planner_graph.planning.scheduler import Needs

_ROUNDING = 1e-9
"""What is left of an amount after it was given back, as numbers are not exact."""


@dataclass(eq=False)
class _Pool:
    """One pool: what is used of it by whom, and what capacity each run that knows it gives it."""

    window: float | None
    capacities: dict["Tenant", float] = field(default_factory=dict)
    used: Counter["Tenant"] = field(default_factory=Counter)
    starts: deque[tuple[float, float, "Tenant"]] = field(default_factory=deque)

    @property
    def capacity(self) -> float:
        """The lowest in force: that of the run that allows least."""
        return min(self.capacities.values()) * (1 + _ROUNDING)

    def take(self, tenant: "Tenant", amount: float, now: float) -> None:
        self.used[tenant] += amount  # type: ignore[assignment]  # a counter of floats
        if self.window is not None:
            self.starts.append((now, amount, tenant))

    def give_back(self, tenant: "Tenant", amount: float) -> None:
        self.used[tenant] -= amount  # type: ignore[assignment]
        if self.used[tenant] <= _ROUNDING:
            del self.used[tenant]

    def next_expiry(self) -> float | None:
        return self.starts[0][0] + self.window if self.window is not None and self.starts else None

    def expire(self, now: float) -> None:
        while self.window is not None and self.starts and self.starts[0][0] + self.window <= now:
            _, amount, tenant = self.starts.popleft()
            self.give_back(tenant, amount)


class ProcessPools:
    """All pools of scope ``process``, and the line of the runs that want something of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pools: dict[str, _Pool] = {}
        self._line: dict[tuple[Tenant, Needs], int] = {}
        self._wants = 0

    def join(self, capacities: Mapping[str, float], wake: Callable[[], bool]) -> "Tenant":
        """Give a run its share in these pools; ``wake`` makes it look what it was granted, or says that it is gone."""
        tenant = Tenant(self, frozenset(capacities), wake)
        with self._lock:
            for name, capacity in capacities.items():
                self._pools.setdefault(name, _Pool(rate_window(name))).capacities[tenant] = capacity
        return tenant

    def take(self, tenant: "Tenant", needs: Needs) -> bool:
        """Take ``needs`` for a run if it is its turn; else it stands in line, and is woken."""
        with self._lock:
            if not tenant.granted[needs] and (tenant, needs) not in self._line:
                self._wants += 1
                self._line[tenant, needs] = self._wants
            woken = self._grant()
            taken = tenant.granted[needs] > 0
            if taken:
                tenant.granted[needs] -= 1
            if not any(count for want, count in tenant.granted.items() if want != needs):
                woken.discard(tenant)
        self._wake(woken)
        return taken

    def stand_down(self, tenant: "Tenant", still_wanted: Collection[Needs]) -> None:
        """Take a run out of the line and give back what it was granted, but for what is ``still_wanted``."""
        with self._lock:
            given_up = [needs for owner, needs in self._line if owner is tenant and needs not in still_wanted]
            for needs in given_up:
                del self._line[tenant, needs]
            unused = [needs for needs, count in tenant.granted.items() if count and needs not in still_wanted]
            if not given_up and not unused:
                return
            for needs in unused:
                self._give_back(tenant, needs, tenant.granted.pop(needs))
            woken = self._grant()
        self._wake(woken)

    def give_back(self, tenant: "Tenant", needs: Needs) -> None:
        """Free what a run holds; rates are used up."""
        with self._lock:
            self._give_back(tenant, needs, 1)
            woken = self._grant()
        self._wake(woken)

    def leave(self, tenant: "Tenant", held: Iterable[Needs]) -> None:
        """Free what a run holds apart from threads that were given up on, and forget its capacities."""
        with self._lock:
            for owner, needs in [*self._line]:
                if owner is tenant:
                    del self._line[owner, needs]
            for needs, count in tenant.granted.items():
                self._give_back(tenant, needs, count)
            tenant.granted.clear()
            for needs in held:
                self._give_back(tenant, needs, 1)
            for name in tenant.names:
                self._pools[name].capacities.pop(tenant, None)
            woken = self._grant()
        self._wake(woken)

    def seconds_to_wait(self, tenant: "Tenant") -> float | None:
        """Give the seconds until a rate that a run waits for has more; ``None`` if it waits for none."""
        with self._lock:
            names = {name for owner, needs in self._line if owner is tenant for name, _ in needs}
            expiries = [expiry for name in names if (expiry := self._pools[name].next_expiry()) is not None]
        return max(min(expiries) - self._clock(), 0.0) if expiries else None

    def is_shared(self, tenant: "Tenant", needs: Needs) -> bool:
        """Tell whether other runs use any of these pools at present."""
        with self._lock:
            pools = [self._pools[name] for name, _ in needs if name in self._pools]
            return any(other is not tenant for pool in pools for other in pool.used)

    def _give_back(self, tenant: "Tenant", needs: Needs, times: int) -> None:
        for name, amount in needs:
            pool = self._pools[name]
            if pool.window is None:
                pool.give_back(tenant, amount * times)

    def _grant(self) -> set["Tenant"]:
        """Grant what is free, in the order of the line; give those to be woken."""
        now, woken, reserved = self._clock(), set(), set[str]()
        self._expire(now)
        for tenant, needs in sorted(self._line, key=self._turn):
            lacking = [name for name, amount in needs if not self._fits(name, amount)]
            if any(amount > self._pools[name].capacity for name, amount in needs):
                continue  # until a run that allows less has ended
            if not lacking and reserved.isdisjoint(name for name, _ in needs):
                for name, amount in needs:
                    self._pools[name].take(tenant, amount, now)
                del self._line[tenant, needs]
                tenant.granted[needs] += 1
                woken.add(tenant)
            elif lacking and all(self._pools[name].window is not None for name in lacking):
                reserved |= set(lacking)
            else:
                reserved |= {name for name, _ in needs}
        return woken

    def _expire(self, now: float) -> None:
        """Free what rates have again, and forget pools that no run knows or uses."""
        for name, pool in [*self._pools.items()]:
            pool.expire(now)
            if not pool.capacities and not pool.used:
                del self._pools[name]

    def _turn(self, want: tuple["Tenant", Needs]) -> tuple[float, int]:
        tenant, needs = want
        held = sum(self._pools[name].used[tenant] / self._pools[name].capacity for name, _ in needs)
        return held, self._line[want]

    def _fits(self, name: str, amount: float) -> bool:
        pool = self._pools[name]
        return sum(pool.used.values()) + amount <= pool.capacity

    def _wake(self, tenants: Iterable["Tenant"]) -> None:
        for tenant in tenants:
            if not tenant.wake():
                tenant.leave()


class Tenant:
    """One run among those that share pools, as its scheduler knows it: :class:`planning.scheduler.SharedPools`."""

    def __init__(self, pools: ProcessPools, names: frozenset[str], wake: Callable[[], bool]) -> None:
        self.names = names
        self.wake = wake
        self.granted: Counter[Needs] = Counter()
        self._pools = pools
        self._held: Counter[Needs] = Counter()
        self._lock = threading.Lock()
        self._gone = False

    def take(self, needs: Needs) -> bool:
        """Take ``needs`` if it is the run's turn, else stand in line for them."""
        if self._gone or not self._pools.take(self, needs):
            return False
        with self._lock:
            self._held[needs] += 1
        return True

    def stand_down(self, still_wanted: Collection[Needs]) -> None:
        """Want nothing any more but what is ``still_wanted``."""
        if not self._gone:
            self._pools.stand_down(self, still_wanted)

    def give_back(self, needs: Needs) -> None:
        """Free ``needs``, which the run holds."""
        with self._lock:
            if not self._held[needs]:
                return
            self._held[needs] -= 1
        self._pools.give_back(self, needs)

    def keep(self, needs: Needs) -> Callable[[], None]:
        """Hold ``needs`` for a thread that may outlive the run; any thread may call what this gives, to free them."""
        with self._lock:
            self._held[needs] -= 1
        return lambda: self._pools.give_back(self, needs)

    def seconds_to_wait(self) -> float | None:
        """Give the seconds until a rate that the run waits for has more."""
        return None if self._gone else self._pools.seconds_to_wait(self)

    def is_shared(self, needs: Needs) -> bool:
        """Tell whether other runs use any of these pools at present."""
        return self._pools.is_shared(self, needs)

    def leave(self) -> None:
        """Give back all that the run holds, whatever became of it, but for what is kept for threads."""
        with self._lock:
            if self._gone:
                return
            self._gone = True
            held = list(self._held.elements())
            self._held.clear()
        self._pools.leave(self, held)


PROCESS_POOLS = ProcessPools()
"""Those of this process. What is shared by all that runs in a process can only be one thing of the process."""
