"""Stored values of every loss at one small input, each beside its derivation in plain NumPy (float64)."""

import numpy as np
import pytest
import scipy.special
import torch

from modelheir import losses, objective

# Two images, three classes; the old model is right on the first one only, the new one on neither.
Z = np.array([[0.5, 2.0, -1.0], [1.0, 0.0, 3.0]])
O = np.array([[2.0, 1.0, 0.0], [0.5, 0.0, 1.5]])  # noqa: E741
Y = np.array([0, 1])
# Three images' features, of widths 2 (new) and 2 (old)
F = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 2.0]])
G = np.array([[1.0, 0.5], [2.0, 0.0], [0.0, 1.0]])
K = np.array([0, 1, 0])

z, o, y = torch.tensor(Z), torch.tensor(O), torch.tensor(Y)
f, g, k = torch.tensor(F), torch.tensor(G), torch.tensor(K)

# The same as one feature map of three channels at two places
m, w = f[None, :, None], g[None, :, None]


def softmax(logits, t=1.0):
    e = np.exp(logits / t)
    return e / e.sum(1, keepdims=True)


P, Q = softmax(O), softmax(Z)  # old and new probabilities
CE = -np.log(Q[[0, 1], Y])
GAP = np.abs(Z - O)
HOT = np.eye(3)[Y]


def kl(t):
    p, q = softmax(O, t), softmax(Z, t)
    return t**2 * (p * np.log(p / q)).sum(1)


def excess(margin, p):
    return np.maximum(GAP - margin, 0) ** p


def rce(a, b):
    return -np.log(np.exp(a[[0, 1], Y]) / (np.exp(a) * HOT + np.exp(b) * (1 - HOT)).sum(1))


def cna(t):
    unit = F / np.linalg.norm(F, axis=1, keepdims=True)
    s = np.exp(unit @ unit.T / t)
    nearest = [1, 0, 0]  # by cosine of the rows of G: 0 and 1 .89, 0 and 2 .45, 1 and 2 0
    return np.array([-np.log(s[i, nearest[i]] / (s[i].sum() - s[i, i])) for i in range(3)])


def contrastive(margin):
    r = np.sqrt(((F[:, None] - G[None]) ** 2).sum(2))
    same = K[:, None] == K[None]
    return np.where(same, r**2, np.maximum(margin - r, 0) ** 2).mean(1) / 2


def decoupled(a, b, answer):
    value = []
    for p, q, g in zip(P, Q, answer, strict=True):
        rest = [c for c in range(3) if c != g]
        pairs = zip((p[g], 1 - p[g]), (q[g], 1 - q[g]), strict=True)
        among = ((p[c] / (1 - p[g]), q[c] / (1 - q[g])) for c in rest)
        value.append(sum(w * s * np.log(s / t) for w, part in ((a, pairs), (b, among)) for s, t in part))
    return np.array(value)


def corr(axis):
    a, b = Q - Q.mean(axis, keepdims=True), P - P.mean(axis, keepdims=True)
    return (a * b).sum(axis) / (np.sqrt((a**2).sum(axis) * (b**2).sum(axis)) + 1e-8)


def standard(logits):
    return (logits - logits.mean(1, keepdims=True)) / np.sqrt(logits.var(1, keepdims=True) + 1e-7)


M = (P + Q) / 2
SOFT = -(softmax(O, 2) * np.log(softmax(Z, 2))).sum(1) * 4
TRUST = 1 - np.exp(-CE / (-np.log(P[[0, 1], Y]) + 1e-7))
ROUND = (softmax(2 * standard(O)), softmax(2 * standard(Z)))
MANY = np.array([[1, 0, -1], [0, 1, 1]])
RATIO = np.array([0.1, 0.5, 0.8])
RARE = np.exp(np.where(MANY == 1, 1 - RATIO, RATIO)) * (MANY >= 0)


def lengths(x):
    return np.sqrt((x**2).sum(-1, keepdims=True))


def huber(x):
    return np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5)


def distances(x):
    d = np.maximum(lengths(x[:, None] - x[None])[..., 0], 1e-6)
    return d / d.mean()


def angles(x):
    e = x[None] - x[:, None]
    e = e / np.maximum(lengths(e), 1e-12)
    return np.einsum("ijd,ikd->ijk", e, e)


def neighbours(x):
    kernel = (1 + (x / lengths(x)) @ (x / lengths(x)).T) / 2 * (1 - np.eye(len(x)))
    return kernel / kernel.sum(1, keepdims=True)


def similarities(x):
    return x @ x.T / lengths(x @ x.T)


def kernels(x):
    cosine = (x / lengths(x)) @ (x / lengths(x)).T
    return np.exp(-0.8) * (1 + 0.8 * cosine + 0.32 * cosine**2)


def active(x):
    a = (x**2).sum(0)
    return a / lengths(a)


def selectivity(x, y):
    return (((x / lengths(x)) @ (y / lengths(y)).T) ** 2).mean()


SIGMOID = 1 / (1 + np.exp(-Z))
ROWS = {
    "kl_distillation T=1": (losses.kl_distillation(z, o, temperature=1), kl(1), [0.6769, 0.1471]),
    "kl_distillation T=100": (losses.kl_distillation(z, o), kl(100), [0.5858, 0.1951]),
    "logit_matching mean": (losses.logit_matching(z, o), (GAP**2).mean(1), [1.4167, 0.8333]),
    "logit_matching half_sum": (
        losses.logit_matching(z, o, reduction="half_sum"),
        (GAP**2).sum(1) / 2,
        [2.125, 1.25],
    ),
    "logit_difference": (
        losses.logit_difference(z, o, y, exclude_label=False),
        excess(0.5, 2).mean(1),
        [0.5, 0.3333],
    ),
    "logit_difference label out": (
        losses.logit_difference(z, o, y),
        (excess(0.5, 2) * (1 - HOT)).mean(1),
        [0.1667, 0.3333],
    ),
    "logit_difference p-norm": (
        losses.logit_difference(z, o, y, margin=0.2, power=3, p_norm=True),
        (excess(0.2, 3) * (1 - HOT)).sum(1) ** (1 / 3),
        [1.0079, 1.3053],
    ),
    "renyi": (losses.renyi(z, o), np.log((P**2 / Q).sum(1)), [1.0325, 0.3397]),
    "retentive_cross_entropy": (losses.retentive_cross_entropy(z, o, y), rce(Z, O), [1.1803, 1.9644]),
    "retentive_cross_entropy two heads": (
        losses.retentive_cross_entropy(z, o, y, two_heads=True),
        rce(Z, O) + rce(O, Z),
        [1.898, 5.1342],
    ),
    "cross_entropy": (losses.cross_entropy(z, y), CE, [1.7413, 3.1698]),
    "cross_entropy smoothed": (
        losses.cross_entropy(z, y, label_smoothing=0.3),
        0.7 * CE - 0.3 * np.log(Q).mean(1),
        [1.7413, 2.7698],
    ),
    "soft_cross_entropy": (losses.soft_cross_entropy(z, torch.tensor(P)), -(P * np.log(Q)).sum(1), [1.5093, 1.053]),
    "binary_cross_entropy": (
        losses.binary_cross_entropy(z, y),
        -(HOT * np.log(SIGMOID) + (1 - HOT) * np.log(1 - SIGMOID)).mean(1),
        [0.9714, 1.685],
    ),
    "likelihood_weighted_cross_entropy": (
        losses.likelihood_weighted_cross_entropy(z, y, torch.tensor([0.0, 1.0])),
        CE * np.array([1, 0.5]) / 0.75,
        [2.3217, 2.1132],
    ),
    "new_error": (losses.new_error(z, o, y), CE * [1, 0], [1.7413, 0.0]),
    "imitation": (losses.imitation(z, o), -(P * np.log(Q)).sum(1), [1.5093, 1.053]),
    "strict_imitation": (losses.strict_imitation(z, o, y), -(P * np.log(Q)).sum(1) * [1, 0], [1.5093, 0.0]),
    "jeffreys": (losses.jeffreys(z, o), ((P - Q) * np.log(P / Q)).sum(1) / 2, [0.6634, 0.1322]),
    "jensen_shannon": (
        losses.jensen_shannon(z, o),
        (P * np.log(P / M) + Q * np.log(Q / M)).sum(1) / 2,
        [0.1559, 0.032],
    ),
    "teacher_cross_entropy": (losses.teacher_cross_entropy(z, o, temperature=2), SOFT, [4.7493, 4.3878]),
    "decoupled": (losses.decoupled(z, o, y, beta=2.0), decoupled(1, 2, Y), [1.1318, 0.2413]),
    "decoupled teacher": (losses.decoupled(z, o, y, target="teacher"), decoupled(1, 1, O.argmax(1)), [0.8586, 0.1646]),
    "dist": (losses.dist(z, o, gamma=2.0), 3 - corr(1) - 2 * corr(0).mean(), [1.0885, 0.0045]),
    "weighted_soft_labels": (losses.weighted_soft_labels(z, o, y), TRUST * SOFT, [4.683, 3.514]),
    "spherical": (
        losses.spherical(z, o, y),
        -0.9 * (ROUND[0] * np.log(ROUND[1])).sum(1) - 0.1 * np.log(ROUND[1][[0, 1], Y]),
        [2.3802, 0.6736],
    ),
    "logit_distance": (
        losses.logit_distance(z, o, distance="l1", act="softmax"),
        np.abs(P - Q).mean(1),
        [0.3606, 0.1435],
    ),
    "multi_label": (
        losses.multi_label(z, torch.tensor(MANY), positive_ratio=torch.tensor(RATIO)),
        -(RARE * (MANY * np.log(SIGMOID) + (1 - MANY) * np.log(1 - SIGMOID))).mean(1),
        [1.5576, 0.8845],
    ),
    "muscle_distillation": (
        objective.muscle_distillation(z, o, z, y),
        kl(1),  # the new model errs on both
        [0.6769, 0.1471],
    ),
    "double_source_distillation": (
        objective.double_source_distillation(z, o, z, y, torch.arange(3), temperature=1),
        kl(1) * [6, 1],
        [4.0612, 0.1471],
    ),
    "feature_alignment": (losses.feature_alignment(f, g), ((F - G) ** 2).mean(1), [0.125, 1.3, 0.5]),
    "contrastive_feature_alignment": (
        losses.contrastive_feature_alignment(f, g, k),
        contrastive(3.0),
        [1.0417, 2.4092, 0.7132],
    ),
    "neighbourhood_alignment": (
        losses.neighbourhood_alignment(f, g, k, temperature=0.5),
        cna(0.5),
        [0.2633, 0.913, 1.7839],
    ),
    "random_projection": (losses.random_projection(f, g), ((F - G) ** 2).mean(1), [0.125, 1.3, 0.5]),
    "feature_distance l1": (losses.feature_distance(f, g, distance="l1"), np.abs(F - G).mean(1), [0.25, 1.1, 0.5]),
    "feature_distance smooth l1": (
        losses.feature_distance(f, g, distance="smooth_l1"),
        huber(F - G).mean(1),
        [0.0625, 0.61, 0.25],
    ),
    "relational distances": (
        losses.relational(f, g, angle_weight=0),
        huber(distances(F) - distances(G)).mean(1),
        [0.2168, 0.1434, 0.3433],
    ),
    "relational angles": (
        losses.relational(f, g, distance_weight=0),
        huber(angles(F) - angles(G)).mean((1, 2)),
        [0.3333, 0.3333, 0.0],
    ),
    "probabilistic_transfer": (
        losses.probabilistic_transfer(f, g),
        scipy.special.rel_entr(neighbours(G), neighbours(F)).sum(1),
        [0.0049, 0.0685, 0.1131],
    ),
    "similarity_preserving": (
        losses.similarity_preserving(f, g),
        ((similarities(F) - similarities(G)) ** 2).mean(1),
        [0.0857, 0.2751, 0.113],
    ),
    "correlation_congruence": (
        losses.correlation_congruence(f, g),
        ((kernels(F) - kernels(G)) ** 2).mean(1),
        [0.0215, 0.0576, 0.06],
    ),
    "attention_transfer": (losses.attention_transfer(m, w), [((active(F) - active(G)) ** 2).mean()], [0.4944]),
    "neuron_selectivity": (
        losses.neuron_selectivity(m, w),
        [selectivity(F, F) + selectivity(G, G) - 2 * selectivity(F, G)],
        [0.0444],
    ),
    "hierarchical_context": (losses.hierarchical_context(m, w), [((F - G) ** 2).mean()], [0.6417]),
}


@pytest.mark.parametrize("name", ROWS)
def test_value_equals_its_derivation_and_the_stored_number(name):
    got, derived, stored = ROWS[name]
    np.testing.assert_allclose(got.numpy(), derived, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(derived, stored, rtol=0, atol=6e-5)
