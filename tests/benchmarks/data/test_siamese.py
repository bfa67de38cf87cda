import pytest
import torch

from benchmarks.data import siamese
from pyg_basis.datasets import ImageSplit


def two_classes(shape=(8, 8), num_train=64, num_test=10, seed=0):
    """Noise, brighter in the upper half for the one class, the lower for the other."""
    generator = torch.Generator().manual_seed(seed)
    splits = []
    for n in (num_train, num_test):
        y = torch.arange(n) % 2
        x = torch.randint(0, 100, (n, *shape), generator=generator, dtype=torch.uint8)
        half = shape[0] // 2
        x[y == 0, :half] += 100
        x[y == 1, half:] += 100
        splits += [x, y]
    return ImageSplit(*splits)


def features(split, tmp_path, name="mnist", **settings):
    settings = {"epochs": 1, **settings}
    return siamese.siamese_features(split, name, tmp_path, **settings)[:2]


def brute_force_loss(features, labels):
    attraction, repulsion = [], []
    for i in range(len(features)):
        for j in range(i + 1, len(features)):
            distance = (features[i] - features[j]).norm()
            if labels[i] == labels[j]:
                attraction.append(distance**2)
            else:
                repulsion.append(max(0.0, 1 - distance) ** 2)
    return sum(sum(part) / max(1, len(part)) for part in (attraction, repulsion))


@pytest.mark.parametrize("labels", [[0, 1, 2, 0, 1, 2, 0], [3] * 7, list(range(7))])
def test_contrastive_loss_is_the_mean_over_each_kind_of_pair(labels):
    generator = torch.Generator().manual_seed(0)
    z = 0.4 * torch.randn(7, 3, generator=generator, dtype=torch.float64)
    loss = siamese.contrastive_loss(z, torch.tensor(labels))
    expected = torch.as_tensor(brute_force_loss(z, labels)).double()
    torch.testing.assert_close(loss, expected)


@pytest.mark.usefixtures("untouched_global_generators")
def test_seed_settles_the_features(tmp_path):
    split = two_classes()
    first = features(split, tmp_path / "a", seed=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(123)  # another state of the global generator
        again = features(split, tmp_path / "b", seed=1)
    other = features(split, tmp_path / "a", seed=2)
    for z, z_again, z_other in zip(first, again, other, strict=True):
        assert torch.equal(z, z_again)
        assert not torch.equal(z, z_other)


def test_flat_rows_are_square_images(tmp_path):
    split = two_classes()
    flat = split._replace(
        x_train=split.x_train.flatten(1), x_test=split.x_test.flatten(1)
    )
    expected = features(split, tmp_path / "a")
    for z, reference in zip(features(flat, tmp_path / "b"), expected, strict=True):
        assert torch.equal(z, reference)


@pytest.mark.parametrize("name", siamese.RECIPES)
def test_images_are_shifted_a_little_and_mirrored_only_where_that_makes_sense(
    tmp_path, monkeypatch, name
):
    # One bright pixel, left of the middle, shows where an image has gone.
    x = torch.zeros(64, 28, 28, 3, dtype=torch.uint8)
    x[:, 14, 8] = 255
    split = two_classes((28, 28, 3))._replace(x_train=x)
    places = []
    forward = siamese.SiameseNetwork.forward

    def recorded(network, images):
        if network.training:
            brightest = images[:, 0].flatten(1).argmax(dim=1)
            places.append(torch.stack([brightest // 28, brightest % 28], dim=1))
        return forward(network, images)

    monkeypatch.setattr(siamese.SiameseNetwork, "forward", recorded)
    # Inverted, the pixel would not be the brightest.
    monkeypatch.setattr(siamese, "distorted", lambda images, *_: images)
    features(split, tmp_path, name, epochs=2)
    rows, columns = (place.tolist() for place in torch.cat(places).T)
    reach = max(2, round(28 * siamese.RECIPES[name].warp))
    assert len(set(rows)) > 1 and all(abs(row - 14) <= reach for row in rows)
    assert len(set(columns)) > 1
    mirrored = sum(column > 13.5 for column in columns) / len(columns)
    if name in ("cifar10", "fashion_mnist"):
        assert 0.25 < mirrored < 0.75
    else:
        assert mirrored < 0.05
    for column in columns:
        assert min(abs(column - 8), abs(column - 19)) <= reach


def test_an_image_and_its_mirror_image_share_features_only_where_both_occur(tmp_path):
    split = two_classes((8, 8, 3))
    split = split._replace(x_test=torch.stack([split.x_test, split.x_test.flip(2)]))
    split = split._replace(x_test=split.x_test.flatten(0, 1))
    for name in siamese.RECIPES:
        z, z_mirrored = features(split, tmp_path, name)[1].chunk(2)
        mirror = name in ("cifar10", "fashion_mnist")
        assert torch.allclose(z, z_mirrored, rtol=1e-4, atol=1e-5) == mirror


def test_training_separates_the_classes_of_unseen_images(tmp_path):
    split = two_classes(num_train=128)
    z_train, z_test = features(split, tmp_path, epochs=10)
    centers = torch.stack([z_train[split.y_train == c].mean(dim=0) for c in (0, 1)])
    assert torch.equal(torch.cdist(z_test, centers).argmin(dim=1), split.y_test)
    assert (centers[0] - centers[1]).norm() > 0.5


def test_the_cache_is_used_and_covers_data_settings_and_seed(tmp_path, monkeypatch):
    trained = []
    train = siamese.train_siamese_network

    def counted(*args):
        trained.append(args)
        return train(*args)

    monkeypatch.setattr(siamese, "train_siamese_network", counted)
    split = two_classes()
    first = features(split, tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("siamese_mnist_") and file.suffix == ".npz"
    again = features(split, tmp_path)
    assert len(trained) == 1
    assert all(torch.equal(z, same) for z, same in zip(first, again, strict=True))
    # The features depend on everything but the test labels.
    features(split._replace(y_test=1 - split.y_test), tmp_path)
    assert len(trained) == 1
    features(split, tmp_path, seed=1)
    features(split, tmp_path, epochs=2)
    features(split, tmp_path, name="svhn")
    features(split._replace(y_train=1 - split.y_train), tmp_path)
    features(split._replace(x_train=255 - split.x_train), tmp_path)
    features(split._replace(x_test=255 - split.x_test), tmp_path)
    monkeypatch.setattr(siamese, "VERSION", siamese.VERSION + 1)
    features(split, tmp_path)
    assert len(trained) == len(list(tmp_path.iterdir())) == 8


def test_the_cache_covers_the_recipe_and_older_files_hold(tmp_path, monkeypatch):
    def untrained(images, *args):
        return siamese.SiameseNetwork(images).eval()

    monkeypatch.setattr(siamese, "train_siamese_network", untrained)
    images, labels = torch.arange(16 * 64).view(16, 8, 8) % 251, torch.arange(16) % 2
    split = ImageSplit(images, labels, images[:4], labels[:4])
    # The name from before there were recipes, and that from before there were others.
    names = {"mnist": "38fc759f1845", "fashion_mnist": "6195c336e42e"}
    for name, checksum in names.items():
        made = siamese.siamese_features(split, name, tmp_path)
        assert made[2] == checksum
        assert (tmp_path / f"siamese_{name}_{checksum}.npz").exists()
    others = {"epochs": 7, "batch_size": 64, "warp": 0.1, "mirror": True}
    others |= {"bfloat16": True, "deep": True, "distort": True}
    assert set(others) == set(siamese.Recipe._fields)
    for field, value in others.items():
        recipe = siamese.Recipe()._replace(**{field: value})
        monkeypatch.setitem(siamese.RECIPES, "mnist", recipe)
        siamese.siamese_features(split, "mnist", tmp_path)
    assert len(list(tmp_path.iterdir())) == 2 + len(others)
