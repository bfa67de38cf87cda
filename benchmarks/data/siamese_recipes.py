"""How the siamese network of each image set is trained."""

from typing import NamedTuple


class Recipe(NamedTuple):
    r"""How the network of one data set is trained.

    Args:
        epochs: Rounds through the training split.
        batch_size: Images of a mini-batch, whose pairs are all compared.
        warp: How far each image's own affine map strays at random from the identity;
            with 0 all images of a batch are shifted alike, by whole pixels.
        mirror: Whether images are mirrored at random, and features are the mean over
            an image and its mirror image. A mirrored digit is no digit.
        bfloat16: Whether training computes in bfloat16 and with the channels last:
            2.5 times as fast on CPUs that have such arithmetic. Others compute in
            single precision.
        deep: Whether the network has seven layers of convolution, not three.
        distort: Whether images are also inverted and put into another light at random,
            and partly covered. A house number may be bright or dark, a shirt or a
            bird may not.
    """

    epochs: int = 6
    batch_size: int = 256
    warp: float = 0.0
    mirror: bool = False
    bfloat16: bool = False
    deep: bool = False
    distort: bool = False


# By the name of the set; all other sets are trained as MNIST is.
RECIPES = {
    "mnist": Recipe(),
    "fashion_mnist": Recipe(12, batch_size=128, warp=0.07, mirror=True, bfloat16=True),
    "cifar10": Recipe(
        16, batch_size=64, warp=0.1, mirror=True, bfloat16=True, deep=True
    ),
    # So few images are soon known by heart, their features collapse, and those of the
    # test images lie between them: strong warps and distortion keep both alike.
    "svhn": Recipe(
        80, batch_size=64, warp=0.25, bfloat16=True, deep=True, distort=True
    ),
}
