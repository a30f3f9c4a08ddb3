"""Just before it is overwritten each parameter is looked at again, in few calls and from near."""

from store_world import FakeClock, World, at, failing, reset, states, throttled

from secret_action.store.calls import never
from secret_action.store.looking import LastLook


def looks(world: World) -> list[int]:
    return [len(call["Names"]) for operation, call in world.ssm.calls if operation == "GetParameters"]


def test_a_burst_of_overwrites_costs_one_look_for_ten() -> None:
    world = World(clock=FakeClock())
    keys = [f"k{number:02}" for number in range(20)]
    for key in keys:
        world.ssm.put(at(key), "before")
    plan = world.plan_keys(dict.fromkeys(keys, "after"))
    world.ssm.calls.clear()
    assert set(states(world.write(plan)).values()) == {"written"}
    assert looks(world) == [10, 10]


def test_creations_are_not_looked_at() -> None:
    """`Overwrite=False` refuses by itself."""
    world = World()
    plan = world.plan_keys({"a": "a", "b": "b"})
    world.ssm.calls.clear()
    world.write(plan)
    assert looks(world) == []


def test_a_look_that_is_older_than_a_second_is_renewed() -> None:
    world = World()
    paths = [at(key) for key in "abc"]
    for path in paths:
        world.ssm.put(path, "before")
    last_look = LastLook(world.session, paths, never)
    last_look.at(paths[0])
    world.ssm.put(paths[1], "theirs")
    world.clock.sleep(0.5)
    seen = last_look.at(paths[1])
    assert seen is not None
    assert seen.version == 1, "seen together with the first, half a second ago"
    world.clock.sleep(1)
    world.ssm.put(paths[2], "theirs")
    seen = last_look.at(paths[2])
    assert seen is not None
    assert seen.version == 2


def test_slow_writes_cost_one_look_a_second_and_not_one_each() -> None:
    """Each look takes those that come next, also where they were seen before and have waited too long."""
    world = World()
    paths = [at(f"k{number:02}") for number in range(30)]
    for path in paths:
        world.ssm.put(path, "before")
    last_look = LastLook(world.session, paths, never)
    for path in paths:
        world.clock.sleep(1 / 3)
        last_look.at(path)
    assert 6 <= len(looks(world)) <= 10


def test_a_second_look_is_a_new_one() -> None:
    """It is asked for because an answer was lost: what was seen before that tells nothing."""
    world = World()
    world.ssm.put(at("a"), "before")
    last_look = LastLook(world.session, [at("a")], never)
    last_look.at(at("a"))
    world.ssm.put(at("a"), "after")
    seen = last_look.at(at("a"))
    assert seen is not None
    assert seen.version == 2


def test_a_look_that_fails_is_repeated_and_delays_no_write_for_good() -> None:
    world = World()
    world.ssm.put(at("a"), "before")
    plan = world.plan_keys({"a": "after"})
    world.ssm.faults += [failing("GetParameters", throttled, times=3), failing("GetParameters", reset, times=3)]
    assert states(world.write(plan)) == {"a": "written"}
    assert world.ssm.rows[at("a")].version == 2
