import hashlib

import numpy as np
from scipy import stats

from modelheir.data.transforms.draws import sample_keys, uniform

MASK = (1 << 64) - 1


def mix_by_hand(word):
    word = (word + 0x9E3779B97F4A7C15) & MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def test_the_finaliser_gives_the_published_first_output():
    assert mix_by_hand(0) == 0xE220A8397B1DCDAF


def test_formula_in_whole_numbers():
    seed, epoch, index, slot = -3, 4, 17, 2
    key = mix_by_hand((mix_by_hand(seed & MASK) + epoch) & MASK)
    word = mix_by_hand((mix_by_hand((key + index) & MASK) + slot * 0x9E3779B97F4A7C15) & MASK)
    assert uniform(seed=seed, epoch=epoch, index=np.array([index]), slots=3)[0, slot] == (word >> 11) / 2**53


def test_uniform_over_rows_epochs_and_slots():
    draws = uniform(seed=0, epoch=0, index=np.arange(4000), slots=5)
    assert draws.min() >= 0
    assert draws.max() < 1
    for values in (*draws.T, draws[:500].ravel()):
        assert stats.kstest(values, "uniform").pvalue > 1e-3
    epochs = np.array([uniform(seed=0, epoch=e, index=np.array([7]), slots=1)[0, 0] for e in range(2000)])
    assert stats.kstest(epochs, "uniform").pvalue > 1e-3


def test_slots_and_neighbouring_keys_are_independent():
    draws = uniform(seed=0, epoch=0, index=np.arange(20000), slots=6)
    shifted = np.concatenate([draws, uniform(seed=1, epoch=0, index=np.arange(20000), slots=6)], axis=1)
    correlation = np.corrcoef(shifted.T) - np.eye(12)
    assert np.abs(correlation).max() < 5 / np.sqrt(20000)
    table = np.histogram2d(draws[:, 0], draws[:, 1], bins=8)[0]
    assert stats.chisquare(table.ravel()).pvalue > 1e-3


def test_a_row_does_not_depend_on_its_company():
    together = uniform(seed=9, epoch=3, index=np.array([5, 1, 8]), slots=4)
    assert (uniform(seed=9, epoch=3, index=np.array([8]), slots=2, first_slot=2) == together[2:, 2:]).all()


def test_a_key_is_the_digest_of_an_id_with_its_lowest_byte_first():
    ids = np.array(["train/a.png", "träin/ß.png", "unlabelled/train/a.png"])
    keys = sample_keys(ids)
    assert keys.dtype == np.uint64
    for key, name in zip(keys.tolist(), ids, strict=True):
        assert key.to_bytes(8, "little") == hashlib.blake2b(name.encode(), digest_size=8).digest()
    assert sample_keys(ids[:0]).shape == (0,)


def test_draws_by_key_are_uniform():
    keys = sample_keys(np.array([f"{i}.png" for i in range(4000)]))
    assert stats.kstest(uniform(seed=0, epoch=0, index=keys, slots=1)[:, 0], "uniform").pvalue > 1e-3
