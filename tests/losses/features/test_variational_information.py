import numpy as np
import pytest
import torch
from scipy.stats import norm

from modelheir.losses import VariationalInformationLoss


def uneven(loss, draw):
    with torch.no_grad():
        for parameter in loss.parameters():
            parameter.add_(draw(*parameter.shape, scale=0.3))
    return loss


def test_vectors_equal_scipy(draw):
    new, old = draw(6, 5), draw(6, 3)
    loss = uneven(VariationalInformationLoss((5,), (3,), first_variance=0.5), draw)
    (a, _, b) = loss.mean
    wa, ba, wb, bb = (p.detach().double().numpy() for p in (a.weight, a.bias, b.weight, b.bias))
    mean = np.maximum(new.numpy() @ wa.T + ba, 0) @ wb.T + bb
    variance = np.log1p(np.exp(loss.softened_variance.detach().double().numpy())) + 1e-5
    density = norm.logpdf(old.double().numpy(), mean, np.sqrt(variance))
    expected = -density.mean(1) - np.log(2 * np.pi) / 2  # without the constant
    np.testing.assert_allclose(loss.per_image(new, old).detach(), expected, rtol=1e-4)
    assert loss(new, old).item() == pytest.approx(expected.mean(), rel=1e-4)


@pytest.mark.parametrize("old_size", [(4, 2), (2, 2), (8, 2)])
def test_maps_equal_vectors_at_each_place(draw, old_size):
    new, old = draw(6, 5, 4, 2), draw(6, 3, *old_size)
    loss = uneven(VariationalInformationLoss((5, 4, 2), (3, *old_size)), draw)
    flat = VariationalInformationLoss((5,), (3,))
    flat.load_state_dict(
        {name: value.flatten(1) if value.ndim > 1 else value for name, value in loss.state_dict().items()}
    )
    high = min(4, old_size[0])
    places = [x.reshape(6, x.shape[1], high, -1, 2).mean(3).permute(0, 2, 3, 1).flatten(0, 2) for x in (new, old)]
    expected = flat.per_image(*places).view(6, -1).mean(dim=1)
    torch.testing.assert_close(loss.per_image(new, old), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("first", [0.001, 0.5, 5.0, 60.0])
def test_variances_start_where_asked(first):
    variance = VariationalInformationLoss((5,), (3,), first_variance=first).variance
    torch.testing.assert_close(variance, torch.full((3,), first), rtol=1e-3, atol=0)


def test_a_guess_starts_with_the_variance_of_its_inputs():
    first, _, second = VariationalInformationLoss((200,), (150,)).mean
    assert first.weight.var().item() == pytest.approx(2 / 200, rel=0.05)
    assert second.weight.var().item() == pytest.approx(1 / 150, rel=0.05)


def test_the_best_variance_is_the_mean_square(draw):
    """With a guess that is fixed at zero, the value is least where each variance is its channel's mean square."""
    old = draw(500, 2) * torch.tensor([0.5, 2.0])
    loss = VariationalInformationLoss((3,), (2,))
    with torch.no_grad():
        loss.mean[2].weight.zero_()
    optimizer = torch.optim.Adam([loss.softened_variance], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        loss(draw(1, 3).expand(500, 3), old).backward()
        optimizer.step()
    torch.testing.assert_close(loss.variance, old.square().mean(dim=0), rtol=1e-2, atol=1e-3)


def test_says_what_is_wrong(draw):
    with pytest.raises(ValueError, match=r"first_variance must be >= 0\.001"):
        VariationalInformationLoss((5,), (3,), first_variance=0.0)
    with pytest.raises(ValueError, match="vectors and maps"):
        VariationalInformationLoss((5, 2, 2), (3,))
    with pytest.raises(ValueError, match="lengths must be equal"):
        VariationalInformationLoss((5,), (3,)).per_image(draw(2, 5), draw(3, 3))
