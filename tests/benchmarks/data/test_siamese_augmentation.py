import torch

from benchmarks.data.siamese_augmentation import distorted


def test_distorted_images_differ_by_contrast_brightness_and_a_square() -> None:
    generator = torch.Generator().manual_seed(0)
    images = 100 + 20 * torch.randn(500, 3, 32, 32, generator=generator)
    mean = images.mean(dim=(0, 2, 3), keepdim=True)
    std = images.std(dim=(0, 2, 3), keepdim=True)
    other = distorted(images, mean, std, generator)
    assert other.shape == images.shape and other.dtype == images.dtype
    covered = (other == mean).all(dim=1)
    # A square of 12 pixels, that lies within in the middle only.
    sizes = covered.flatten(1).sum(dim=1)
    assert sizes.max() == 144 and 0 < sizes.min() < 72
    rows, columns = covered.any(dim=2).sum(dim=1), covered.any(dim=1).sum(dim=1)
    assert torch.equal(sizes, rows * columns)
    centered, changed = ((x - mean) / std for x in (images, other))
    factors = []
    for before, after, hidden in zip(centered, changed, covered, strict=True):
        seen = ~hidden
        contrast = after[:, seen].std(dim=1) / before[:, seen].std(dim=1)
        # All channels have one contrast.
        torch.testing.assert_close(contrast, contrast[:1].expand(3))
        sign = (after[:, seen] - after[:, seen].mean(1, keepdim=True)) * before[:, seen]
        factors.append(contrast[0] * sign.mean().sign())
        brightness = after[:, seen].mean(1) - factors[-1] * before[:, seen].mean(1)
        assert brightness.abs().max() < 0.76
    factors = torch.stack(factors)
    assert 0.4 < (factors < 0).float().mean() < 0.6
    assert factors.abs().min() > 0.69 and factors.abs().max() < 1.31
    assert factors.abs().std() > 0.1
