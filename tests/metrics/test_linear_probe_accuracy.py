import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from pyg_basis.metrics import linear_probe_accuracy


def overlapping(num_points, seed, num_classes=4, width=6):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(99).standard_normal((num_classes, width))
    y = rng.integers(0, num_classes, num_points)
    return centers[y] + rng.standard_normal((num_points, width)), y


def test_agrees_with_logistic_regression():
    (z, y), (z_test, y_test) = overlapping(2000, 0), overlapping(1000, 1)
    scaler = StandardScaler().fit(z)
    model = LogisticRegression(C=1e6, max_iter=2000).fit(scaler.transform(z), y)
    expected = model.score(scaler.transform(z_test), y_test)
    assert 0.5 < expected < 0.95
    assert linear_probe_accuracy(z, y, z_test, y_test) == pytest.approx(
        expected, abs=0.002
    )


def test_separable_classes_are_read_perfectly():
    y = np.arange(300) % 3
    z = np.eye(3)[y] + 0.05 * np.random.default_rng(0).standard_normal((300, 3))
    assert linear_probe_accuracy(z[:200], y[:200], z[200:], y[200:]) == 1.0


def test_scale_shift_and_constant_features_do_not_matter():
    (z, y), (z_test, y_test) = overlapping(600, 0), overlapping(400, 1)
    plain = linear_probe_accuracy(z, y, z_test, y_test)

    def warp(values):
        moved = values * [1e-9, 1.0, 1e9, 1.0, 1.0, 1.0] + [0.0, 1e6, 0, 0, 0, 0]
        return np.column_stack([moved, np.full(len(values), 0.1)])

    assert linear_probe_accuracy(warp(z), y, warp(z_test), y_test) == pytest.approx(
        plain, abs=0.005
    )
    # All constant: the best guess is the most frequent class.
    share = linear_probe_accuracy(np.ones((6, 1)), [0, 1, 1, 1, 0, 1], [[1.0]], [1])
    assert share == 1.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-300, 1e-20, 1e20, 1e300])
def test_the_scale_of_all_features_does_not_matter(scale):
    (z, y), (z_test, y_test) = overlapping(600, 0), overlapping(400, 1)
    plain = linear_probe_accuracy(z, y, z_test, y_test)
    assert linear_probe_accuracy(scale * z, y, scale * z_test, y_test) == plain
    moved = linear_probe_accuracy(z + 1e6, y, z_test + 1e6, y_test)
    assert moved == pytest.approx(plain, abs=0.005)


@pytest.mark.parametrize("kind", [np.int8, np.uint64, np.float32, bool, object])
def test_labels_of_two_types_are_equal_by_value(kind):
    z, y = np.array([[-1.0], [-2.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
    if kind is object:  # as pandas hands on strings
        y = np.array(["no", "yes"])[y]
    assert linear_probe_accuracy(z, y, z, y.astype(kind)) == 1.0
    assert linear_probe_accuracy(z, y.astype(kind), z, y) == 1.0


def test_strings_are_not_compared_with_numbers():
    z, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
    with pytest.raises(ValueError, match="y_test must hold numbers as y_train does"):
        linear_probe_accuracy(z, y, z, y.astype(str))
    with pytest.raises(ValueError, match=r"y_test must hold strings .*got numbers"):
        linear_probe_accuracy(z, y.astype(str), z, y)


def test_any_label_names_and_unseen_classes():
    z = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    y = np.array(["left", "left", "right", "right"])
    test = np.array([[-3.0], [3.0], [3.0]])
    names = np.array(["left", "right", "never seen"])
    assert linear_probe_accuracy(z, y, test, names) == pytest.approx(2 / 3)


def test_bad_input():
    z, y = overlapping(20, 0)
    with pytest.raises(ValueError, match="z_test must have the width of z_train, 6"):
        linear_probe_accuracy(z, y, z[:, :5], y)
    with pytest.raises(ValueError, match=r"z_train and y_train .* 20 and 19"):
        linear_probe_accuracy(z, y[:19], z, y)
    with pytest.raises(ValueError, match="z_test and y_test must have"):
        linear_probe_accuracy(z, y, z, y[:19])
    with pytest.raises(ValueError, match="y_train must hold at least two classes"):
        linear_probe_accuracy(z, np.zeros(20), z, y)
    with pytest.raises(ValueError, match="z_train must be a finite matrix"):
        linear_probe_accuracy(np.where(z > 0, np.nan, z), y, z, y)
    with pytest.raises(ValueError, match=r"z_test must be .*real numbers: Complex"):
        linear_probe_accuracy(z, y, z + 1j, y)
