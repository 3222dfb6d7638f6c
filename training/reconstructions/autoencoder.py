"""Autoencoders that pass a picture through a narrow latent and back: a small one trained here, or any of diffusers."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from imaginet_core.errors import first_line
from imaginet_core.pictures.degradations import pad_to
from training.run.progress import Progress

TILE = 512
"""Largest side in pixels that an autoencoder is given; larger pictures are reconstructed in tiles, so that memory is bounded."""
MARGIN = 32
"""Pixels around each tile that are reconstructed with it and cut off: border effects and seams stay outside."""
MULTIPLE = 64
"""Sides of tiles in pixels are multiples of this, which covers the strides of the known autoencoders (8 to 64)."""

CROP, CROPS_PER_PICTURE, PICTURES = 64, 12, 512
"""What the small one is trained on: windows of 64 × 64 pixels, 12 from each of at most 512 pictures (75 MB)."""
STEPS, BATCH, RATE = 1200, 16, 3e-3


class SmallAutoencoder(nn.Module):
    """A convolutional autoencoder of 60,000 parameters: 4 × 4 pixels (48 values) pass through 16 values and back.

    Three of the 16 are the block's mean colour; the decoder adds to their bilinear enlargement what its transposed
    convolutions make of all 16. Trained for 40 seconds of one core on 205 pictures it reconstructs them at 37 dB; the
    learned upsampling leaves the periodic traces of a decoder.
    """

    def __init__(self, width: int = 24, latent: int = 13):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(2 * width, latent, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(latent + 3, 2 * width, 3, padding=1), nn.SiLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1), nn.SiLU(),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """float (B, 3, H, W) in -1..1, sides multiples of 4 -> its reconstruction, the same shape."""
        colours = F.avg_pool2d(pixels, 4)
        details = self.decoder(torch.cat([colours, self.encoder(pixels)], dim=1))
        return F.interpolate(colours, scale_factor=4, mode="bilinear") + details


def cut_crops(pictures: Iterable[np.ndarray], seed: int) -> np.ndarray:
    """Windows at random places of uint8 (H, W, 3) pictures, small ones padded by reflection: uint8 (N, CROP, CROP, 3)."""
    rng = np.random.default_rng(seed)
    crops = []
    for picture in pictures:
        picture = pad_to(picture, CROP)
        for _ in range(CROPS_PER_PICTURE):
            top, left = (rng.integers(length - CROP + 1) for length in picture.shape[:2])
            crops.append(picture[top : top + CROP, left : left + CROP].copy())  # a view would keep the whole picture
    return np.stack(crops)


def train_small(crops: np.ndarray, seed: int, accelerator: Accelerator, steps: int = STEPS) -> SmallAutoencoder:
    """Trains on uint8 (N, S, S, 3) crops, on this process alone; the same weights for the same crops, seed and machine.

    The loss is L1 on pixels, plus a quarter of the L1 on their Laplacian, which keeps fine detail. No random state outside
    is touched.

    Raises:
        FloatingPointError: at the first loss that is not a finite number.
    """
    with torch.random.fork_rng(devices=[]):  # the weights are drawn on the CPU
        torch.random.default_generator.manual_seed(seed)
        network = SmallAutoencoder().to(accelerator.device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    rng = np.random.default_rng(seed)
    with Progress(accelerator, "autoencoder", steps) as progress:
        for step in range(steps):
            batch = to_unit(crops[rng.integers(len(crops), size=BATCH)], accelerator.device)
            made = network(batch)
            loss = F.l1_loss(made, batch) + 0.25 * F.l1_loss(laplacian(made), laplacian(batch))
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"The loss of the reconstructions' autoencoder is {loss.item()} at step {step}; try another seed, or name an "
                    "autoencoder of diffusers."
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            progress.step(BATCH, loss.item())
    return network.eval()


def save_small(network: SmallAutoencoder, file: Path) -> None:
    """Writes the weights (safetensors)."""
    save_file({name: value.cpu().contiguous() for name, value in network.state_dict().items()}, file)


def load_small(file: Path) -> SmallAutoencoder:
    """The network that ``save_small`` wrote. Raises ValueError naming a file that holds something else."""
    network = SmallAutoencoder()
    try:
        network.load_state_dict(load_file(file))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ValueError(f"{file} does not hold the reconstructions' autoencoder; delete its folder and start again.") from error
    return network.eval()


class DiffusersAutoencoder(nn.Module):
    """An autoencoder of diffusers behind the same ``forward`` as the small one: the mode of the latent, decoded."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        """float (B, 3, H, W) in -1..1, sides multiples of ``MULTIPLE`` -> its reconstruction, the same shape."""
        return self.model(pixels).sample


def load_diffusers(source: str) -> DiffusersAutoencoder:
    """An autoencoder of diffusers, by folder or name on the Hub; of a whole pipeline the part ``vae``.

    Raises:
        ModuleNotFoundError: where diffusers is not installed.
        ValueError: in one sentence, if there is no such model, or it does not reconstruct pictures.
    """
    try:
        import diffusers
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"The autoencoder {source} needs diffusers (pip install diffusers).") from error
    try:
        model = _load_part(diffusers, source)
    except (OSError, ValueError, RuntimeError, AttributeError) as error:
        raise ValueError(
            f"The autoencoder {source} cannot be loaded with diffusers ({first_line(error)}); give a folder, or a name "
            "on the Hub, of an autoencoder of diffusers, or 'small'."
        ) from error
    network = DiffusersAutoencoder(model).eval().requires_grad_(False)
    if not _reconstructs(network):
        kind = type(model).__name__
        raise ValueError(f"{source} is a {kind}, which does not reconstruct pictures; name an autoencoder.")
    return network


def _load_part(diffusers, source: str) -> nn.Module:
    pipeline = (Path(source) / "model_index.json").is_file()
    try:
        return diffusers.AutoModel.from_pretrained(source, **({"subfolder": "vae"} if pipeline else {}))
    except OSError:
        if Path(source).exists():
            raise
    return diffusers.AutoModel.from_pretrained(source, subfolder="vae")  # a pipeline on the Hub


def _reconstructs(network: nn.Module) -> bool:
    probe = torch.zeros(1, 3, MULTIPLE, MULTIPLE)
    try:
        with torch.no_grad():
            return network(probe).shape == probe.shape
    except (TypeError, AttributeError, RuntimeError, ValueError, IndexError):  # whatever else this kind of model wants
        return False


def weights_hash(network: nn.Module) -> str:
    """A short hash of all weights and their names."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + b"\n")
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def reconstruct(network: nn.Module, picture: np.ndarray, device: torch.device) -> np.ndarray:
    """A picture's reconstruction, uint8 (H, W, 3) of any size -> the same size.

    The picture is continued by reflection, and goes through the network in tiles of at most ``TILE`` pixels a side that
    share ``MARGIN`` pixels with their neighbours.
    """
    made, core = np.empty_like(picture), TILE - 2 * MARGIN
    for top in range(0, picture.shape[0], core):
        for left in range(0, picture.shape[1], core):
            height, width = min(core, picture.shape[0] - top), min(core, picture.shape[1] - left)
            tile = _surroundings(picture, top, left, height, width)
            with torch.no_grad():
                output = network(to_unit(tile[None], device))[0]
            output = (output.float() * 127.5 + 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
            made[top : top + height, left : left + width] = output[MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    return made


def to_unit(pixels: np.ndarray, device: torch.device) -> Tensor:
    """uint8 (B, H, W, 3) -> float32 (B, 3, H, W) in -1..1, channels last in memory."""
    tensor = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2)
    return (tensor.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def _surroundings(picture: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
    """The window with MARGIN pixels around it, its sides rounded up to MULTIPLE; outside the picture its reflection."""
    rows = _reflected(top - MARGIN, height + 2 * MARGIN, picture.shape[0])
    columns = _reflected(left - MARGIN, width + 2 * MARGIN, picture.shape[1])
    return picture[rows[:, None], columns[None, :]]


def _reflected(start: int, length: int, side: int) -> np.ndarray:
    """``length`` places, rounded up, from ``start`` on, as indices into ``side`` pixels continued by reflection."""
    places = np.arange(start, start + -(-length // MULTIPLE) * MULTIPLE)
    period = max(1, 2 * (side - 1))
    places = places % period
    return np.where(places < side, places, period - places)


def laplacian(pixels: Tensor) -> Tensor:
    """Four times each inner pixel less its four neighbours: (..., H, W) -> (..., H - 2, W - 2)."""
    inner, rows, columns = pixels[..., 1:-1, 1:-1], pixels[..., :, 1:-1], pixels[..., 1:-1, :]
    return 4 * inner - rows[..., :-2, :] - rows[..., 2:, :] - columns[..., :-2] - columns[..., 2:]
