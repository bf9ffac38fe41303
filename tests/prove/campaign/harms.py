"""What each kind of fault does: to processes, to their state, and to what they depend on.

Each function does its harm, heals it, and answers in words what it did, or with nothing where there was
nothing to harm. All that is random is drawn from the generator that it is given.
"""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from random import Random

from . import disk
from .faults import Faults, Kind, World
from .member import DRAIN_MAX_S, Member
from .settings import SESSION_S


def member_of(world: World, need: str) -> Member:
    return world.members[int(need[1:])]


def any_member(random: Random, world: World) -> list[str]:
    return [f"p{random.randrange(len(world.members))}"]


def with_copy(random: Random, world: World) -> list[str]:
    """A process of whose state there is an older copy; not the one whose disk may be full."""
    have = [
        f"p{one.ordinal}"
        for one in world.members
        if one.copy is not None and one.ordinal != world.scene.small
    ]
    return [random.choice(have)] if have else []


# ---- Processes -----------------------------------------------------------------------------------------


def pause_of(random: Random) -> float:
    """Before a restart: mostly none, now and then longer than the group waits for a member."""
    draw = random.random()
    if draw < 0.6:
        return 0.0
    return random.uniform(0.3, 3.0) if draw < 0.9 else random.uniform(SESSION_S + 1, SESSION_S + 4)


def kill_with(
    faults: Faults, random: Random, needs: list[str], state: str, harm: Callable[[Member], str]
) -> str:
    """kill -9, something done to the state while the process is down, and the restart."""
    world, member = faults.world, member_of(faults.world, needs[0])
    with member.lock:
        if not faults.killed(member):
            return ""
        done = harm(member)
        pause_s = pause_of(random)
        time.sleep(pause_s)
        member.start()
    world.recoveries.measure(member, state if done else "warm", pause_s)
    return f"pause {pause_s:.1f} s; {done}"


def kill(faults: Faults, random: Random, needs: list[str]) -> str:
    def keep_a_copy(member: Member) -> str:
        """The first kill of a process leaves a copy behind, to be put back later; others may renew it."""
        place = member.logs.parent / f"copy-{member.ordinal}"
        if (member.copy is None or random.random() < 0.1) and disk.copy(member.state, place):
            member.copy = place
        return ""

    return kill_with(faults, random, needs, "warm", keep_a_copy)


def delete_state(faults: Faults, random: Random, needs: list[str]) -> str:
    def harm(member: Member) -> str:
        member.remove_state()
        return "state deleted"

    return kill_with(faults, random, needs, "deleted", harm)


def put_back_old_state(faults: Faults, random: Random, needs: list[str]) -> str:
    def harm(member: Member) -> str:
        if member.copy is None:
            return ""
        age_s = time.time() - member.copy.stat().st_mtime
        member.remove_state()
        shutil.copytree(member.copy, member.state, dirs_exist_ok=True)
        return f"state of {age_s:.0f} s before put back"

    return kill_with(faults, random, needs, "old", harm)


def damage_state(faults: Faults, random: Random, needs: list[str]) -> str:
    def harm(member: Member) -> str:
        return disk.flip(member.state, random)

    return kill_with(faults, random, needs, "damaged", harm)


def terminate(faults: Faults, random: Random, needs: list[str]) -> str:
    world, member = faults.world, member_of(faults.world, needs[0])
    with member.lock:
        if not member.runs():
            return ""
        exit = member.terminate(DRAIN_MAX_S)
        world.supervisor.record(member, exit)
        pause_s = pause_of(random)
        time.sleep(pause_s)
        member.start()
    return f"ended with {exit.code if exit else 'nothing'}, pause {pause_s:.1f} s"


def zombie(faults: Faults, random: Random, needs: list[str]) -> str:
    """Stands still for longer than the group waits, others take over, and goes on as if nothing were."""
    member = member_of(faults.world, needs[0])
    if not member.runs():
        return ""
    pause_s = random.uniform(SESSION_S + 1.0, SESSION_S * 2 + 1.0)
    member.signal(signal.SIGSTOP)
    try:
        time.sleep(pause_s)
    finally:
        member.signal(signal.SIGCONT)
    return f"stood still for {pause_s:.1f} s"


def join_and_leave(faults: Faults, random: Random, needs: list[str]) -> str:
    """A fourth process comes, works for a while, and goes: mostly politely."""
    world, member = faults.world, faults.world.extra
    member.start()
    stay_s = random.uniform(4.0, 14.0)
    time.sleep(stay_s)
    with member.lock:
        if random.random() < 0.3:
            faults.killed(member)
            return f"stayed {stay_s:.1f} s, killed"
        world.supervisor.record(member, member.terminate(DRAIN_MAX_S))
    return f"stayed {stay_s:.1f} s, asked to leave"


# ---- What they depend on -------------------------------------------------------------------------------


def kill_broker(faults: Faults, random: Random, needs: list[str]) -> str:
    broker = faults.world.scene.broker
    pause_s = 0.0 if random.random() < 0.7 else random.uniform(1.0, 8.0)
    broker.kill()
    time.sleep(pause_s)
    began = time.monotonic()
    broker.start()
    return f"away for {pause_s:.1f} s, up in {time.monotonic() - began:.1f} s"


def harm_network(mode: str, longest_s: float) -> Callable[[Faults, Random, list[str]], str]:
    def harm(faults: Faults, random: Random, needs: list[str]) -> str:
        values = {
            "cut": "",
            "hole": random.choice(("up", "down", "both")),
            "delay": str(random.choice((50, 200, 400))),
            "slow": str(random.choice((2_000, 20_000, 100_000))),
        }
        seconds, proxy = random.uniform(1.0, longest_s), faults.world.scene.proxy
        proxy.tell(f"{mode} {values[mode]}")
        try:
            time.sleep(seconds)
        finally:
            proxy.tell("pass")
        return f"process {faults.world.scene.proxied}: {mode} {values[mode]} for {seconds:.1f} s"

    return harm


def fill_disk(faults: Faults, random: Random, needs: list[str]) -> str:
    """Fills it up and frees it later. Every other time the process is killed meanwhile, so that it has to
    open its stores on a full disk: what RocksDB has reserved in its log before would last for a while."""
    world, seconds = faults.world, random.uniform(3.0, 14.0)
    member, is_killed = world.members[world.scene.small], random.random() < 0.5
    taken = world.scene.small_disk.fill()
    try:
        time.sleep(seconds / 2)
        with member.lock:
            is_killed = is_killed and faults.killed(member)
            if is_killed:
                member.start()
                world.recoveries.measure(member, "disk full", 0.0)
        time.sleep(seconds / 2)
    finally:
        world.scene.small_disk.free()
    killed = ", killed meanwhile" if is_killed else ""
    return f"process {world.scene.small}: {taken} bytes taken for {seconds:.1f} s{killed}"


def change_catalogue(faults: Faults, random: Random, needs: list[str]) -> str:
    changes = random.randrange(1, 4)
    for _ in range(changes):
        faults.world.load.tell("catalogue")
    return f"{changes} changes"


def change_definitions(faults: Faults, random: Random, needs: list[str]) -> str:
    changes = random.randrange(1, 3)
    for _ in range(changes):
        faults.world.load.tell("definitions")
    return f"{changes} changes"


def only(*names: str) -> Callable[[Random, World], list[str]]:
    return lambda _random, _world: list(names)


def disk_if_mounted(_random: Random, world: World) -> list[str]:
    return [] if world.scene.small_disk.refused else ["disk", f"p{world.scene.small}"]


KILLS = [
    Kind("kill", any_member, kill, kills=True),
    Kind("state_deleted", any_member, delete_state, kills=True),
    Kind("state_old", with_copy, put_back_old_state, kills=True),
    Kind("state_damaged", any_member, damage_state, kills=True),
]
OTHERS = [
    Kind("terminate", any_member, terminate),
    Kind("zombie", any_member, zombie),
    Kind("join_leave", only("p3"), join_and_leave),
    Kind("broker_killed", only("broker"), kill_broker),
    Kind("network_cut", only("network"), harm_network("cut", 12.0)),
    Kind("network_hole", only("network"), harm_network("hole", 15.0)),
    Kind("network_delay", only("network"), harm_network("delay", 10.0)),
    Kind("network_slow", only("network"), harm_network("slow", 10.0)),
    Kind("disk_full", disk_if_mounted, fill_disk),
    Kind("catalogue", only("catalogue"), change_catalogue),
    Kind("definitions", only("definitions"), change_definitions),
]
# A plain kill is drawn more often than one with harm to the state.
KILL_WEIGHTS = [6, 1, 1, 1]


class Mix:
    """Which faults come next: redrawn every few faults, for some kinds that means not at all.

    `only` names the kinds that may come, for a closer look at some; empty means all.
    """

    def __init__(self, seed: int, kill_share: float, only: frozenset[str]) -> None:
        self.random = Random(f"faults {seed}")
        chosen = [kind for kind in [*KILLS, *OTHERS] if not only or kind.name in only]
        self.kills = [
            (kind, weight) for kind, weight in zip(KILLS, KILL_WEIGHTS, strict=True) if kind in chosen
        ]
        self.others = [kind for kind in OTHERS if kind in chosen]
        self.kill_share = kill_share if self.others else 1.0
        self.deck: list[Kind] = []
        # Every run changes the definitions, however short it is.
        self.first = [kind for kind in self.others if kind.name == "definitions"]

    def draw(self) -> tuple[Kind, Random]:
        fault_random = Random(self.random.getrandbits(64))
        if self.first:
            return self.first.pop(), fault_random
        if self.random.random() < self.kill_share:
            kinds, weights = zip(*self.kills, strict=True)
            return self.random.choices(kinds, weights)[0], fault_random
        if not self.deck:
            least = min(4, len(self.others))
            some = self.random.sample(self.others, self.random.randrange(least, len(self.others) + 1))
            self.deck = [kind for kind in some for _ in range(self.random.choice((1, 1, 2)))]
            self.random.shuffle(self.deck)
        return self.deck.pop(), fault_random
