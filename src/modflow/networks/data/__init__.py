"""Images with labels: read, fetched, split into training and test samples, put into batches."""

from .area import resized
from .dataset import Dataset
from .download import fetch
from .order import batch_order, epoch_order, steps_per_epoch
from .sets import DATA_SETS, load_data
from .split import Split, split

__all__ = [
    "DATA_SETS",
    "Dataset",
    "Split",
    "batch_order",
    "epoch_order",
    "fetch",
    "load_data",
    "resized",
    "split",
    "steps_per_epoch",
]
