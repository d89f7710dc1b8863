"""The one cache: bounded in bytes, keyed by content, the same for all threads."""

import threading
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit import zoo
from labkit.common import cache
from labkit.common.cache import CACHE, LIMIT_BYTES, Cache, cached
from labkit.common.footprint import footprint
from labkit.common.keys import key_of
from labkit.common.split import Split
from labkit.model.network import Network

MB = 1_000_000


def test_500_entries_of_a_megabyte_stay_within_the_limit():
    kept = Cache(LIMIT_BYTES)
    tracemalloc.start()
    for k in range(500):
        kept.put(k, np.zeros(MB, np.uint8))
        assert kept.size_bytes <= LIMIT_BYTES
    in_fact = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert in_fact < LIMIT_BYTES + MB
    assert kept.size_bytes > LIMIT_BYTES - 2 * MB and len(kept) == LIMIT_BYTES // MB - 1
    assert kept.peek(499) is not None and kept.peek(0) is None


def test_the_value_not_used_for_longest_goes():
    kept = Cache(3 * footprint(bytes(1000)))
    for name in "abc":
        kept.put(name, bytes(1000))
    kept.peek("a")
    kept.put("d", bytes(1000))
    assert [name for name in "abcd" if kept.peek(name)] == ["a", "c", "d"]


def test_what_alone_passes_the_limit_is_not_kept_and_drives_nothing_out():
    kept = Cache(10_000)
    kept.put("small", bytes(1000))
    assert len(kept.get("large", lambda: bytes(20_000))) == 20_000
    assert kept.peek("large") is None and kept.peek("small")
    kept.put("small", bytes(20_000))  # the old value is not the new one
    assert kept.peek("small") is None and kept.size_bytes == 0


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 4000)), max_size=60)
)
def test_the_bytes_are_those_of_the_values(puts):
    kept, last = Cache(10_000), {}
    for name, size in puts:
        kept.put(name, bytes(size))
        last[name] = bytes(size)
        there = {name: kept.peek(name) for name in "abcdef"}
        found = {name: value for name, value in there.items() if value is not None}
        assert all(value == last[name] for name, value in found.items())
        assert kept.size_bytes == sum(map(footprint, found.values())) <= 10_000
        assert there[name] is not None
        for other in "abcdef"[::-1]:
            kept.peek(other)


def test_none_is_a_value():
    kept, made = Cache(1000), []
    for _ in range(3):
        assert kept.get("nothing", lambda: made.append(1)) is None
    assert made == [1] and kept.peek("nothing", "missing") is None
    assert kept.peek("another", "missing") == "missing"


def test_an_error_is_not_kept():
    kept, tries = Cache(1000), []

    def make():
        tries.append(1)
        if len(tries) == 1:
            raise MemoryError("memory is short")
        return "made"

    with pytest.raises(MemoryError):
        kept.get("file", make)
    assert kept.get("file", make) == kept.get("file", make) == "made"
    assert len(tries) == 2 and not kept._turns


def test_one_value_is_dropped():
    calls = []

    @cached
    def square(number):
        calls.append(number)
        return number * number

    assert [square(3), square(4), square(3)] == [9, 16, 9] and calls == [3, 4]
    square.drop(3)
    square.drop(5)  # was never there
    assert [square(4), square(3)] == [16, 9] and calls == [3, 4, 3]
    square.drop_all()
    assert [square(4), square(3)] == [16, 9] and calls == [3, 4, 3, 4, 3]


def test_functions_do_not_see_each_others_values():
    assert cached(lambda x: x + 1)(1) == 2 and cached(lambda x: x + 2)(1) == 3


def test_threads_that_ask_together_make_a_value_once():
    kept, made, found = Cache(MB), [], []
    start = threading.Barrier(8)

    def make(key):
        made.append(key)
        threading.Event().wait(0.02)  # long enough for the others to ask
        return key * 2

    def work():
        start.wait()
        found.extend(kept.get(key, lambda key=key: make(key)) for key in (1, 2, 3))

    run([work] * 8)
    assert sorted(made) == [1, 2, 3] and found.count(2) == found.count(6) == 8
    assert not kept._turns


def test_after_a_failure_a_waiting_thread_makes_the_value():
    kept, turn, made = Cache(MB), threading.Lock(), []
    waiting = threading.Event()

    def make():
        with turn:
            made.append(1)
            if len(made) == 1:
                waiting.wait(10)
                raise ValueError("the first one fails")
        return "made"

    def first():
        with pytest.raises(ValueError, match="the first one fails"):
            kept.get("key", make)

    def second():
        while not made:
            threading.Event().wait(0.001)
        waiting.set()
        assert kept.get("key", make) == "made"

    run([first, second])
    assert len(made) == 2


def test_many_threads_never_break_the_bounds():
    kept, wrong = Cache(50_000), []

    def work(seed):
        rng = np.random.default_rng(seed)
        for key in rng.integers(0, 60, 300).tolist():
            value = kept.get((key,), lambda key=key: bytes([key]) * 3000)
            if value != bytes([key]) * 3000 or kept.size_bytes > 50_000:
                wrong.append(key)
            if key % 7 == 0:
                kept.drop((key,))

    run([lambda seed=seed: work(seed) for seed in range(6)])
    values = [value for value, _ in kept._entries.values()]
    assert not wrong and kept.size_bytes == sum(map(footprint, values))


def run(jobs):
    """Run jobs at the same time, and raise what the first of them raised."""
    errors = []

    def guarded(job):
        try:
            job()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def test_networks_of_equal_bytes_are_one_key():
    calls = []

    @cached
    def parameters(network):
        calls.append(1)
        return network.parameters

    network = zoo.load("mlp")
    copy = Network.from_bytes(bytearray(network.to_bytes()))
    assert copy is not network and copy == network and hash(copy) == hash(network)
    assert {network: 1}[copy] == 1 and network != zoo.load("lenet5") != "mlp"
    assert parameters(network) == parameters(copy) and calls == [1]
    kernel = network.kernels["fc1"] * 2
    assert network.with_weights({"fc1/kernel": kernel}) != network
    parameters(network.with_weights({"fc1/kernel": kernel}))
    assert calls == [1, 1]


def test_arrays_and_images_are_keys_by_their_content():
    split = zoo.dataset("mlp").test
    few, again = split.take(20), split.take(20)
    assert key_of(few) == key_of(again) != key_of(split.take(21))
    darker = Split(few.images // 2, few.labels, few.index)
    relabelled = Split(few.images, few.labels[::-1], few.index)
    assert len({key_of(one) for one in (few, darker, relabelled)}) == 3
    ones = np.ones((2, 3))
    keys = [ones, ones.T, ones.astype("f4"), ones[:, :2], 0 * ones, ones.ravel()]
    assert len({key_of(one) for one in keys}) == len(keys)
    assert key_of(ones) == key_of(np.asfortranarray(ones))
    assert key_of({"a": ones}) == key_of({"a": ones.copy()}) != key_of({"b": ones})


def test_what_only_its_identity_tells_apart_is_no_key():
    @dataclass(frozen=True, eq=False)
    class Opaque:
        weights: tuple

    for value in (Opaque((1,)), object(), {1, 2}, lambda: 1):
        with pytest.raises(TypeError, match="cannot be part of a cache's key"):
            key_of((1, value))


def test_a_key_keeps_no_network_alive():
    network = zoo.load("mlp")
    assert footprint(key_of((network, {"mask": network.kernels["fc1"]}))) < 2000


@dataclass
class Holder:
    """What a footprint has to look into."""

    inside: object


@pytest.mark.parametrize(
    "hold",
    [
        lambda array: array[5:10],
        lambda array: [array, array, {"again": array}],
        lambda array: Holder({"deep": (Holder(array.reshape(2, -1)),)}),
        lambda array: lambda: array,
        lambda array: np.frombuffer(array.tobytes(), np.uint8),
        lambda array: memoryview(array),
        lambda array: np.array([array, None], dtype=object),
    ],
)
def test_a_footprint_is_what_is_held(hold):
    array = np.zeros(MB, np.uint8)
    assert MB < footprint(hold(array)) < 1.01 * MB


def test_a_networks_footprint_is_its_file():
    network = zoo.load("resnet20")
    size = footprint(network.with_weights({}))
    assert len(network) < size < 1.3 * len(network)


def test_the_labs_cache_is_the_bounded_one():
    assert CACHE.limit_bytes == LIMIT_BYTES == 200 * MB and cache.CACHE is CACHE
    assert CACHE.size_bytes <= LIMIT_BYTES
