"""`FLACParser`: a VirtualiZarr parser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from obspec_utils.registry import ObjectStoreRegistry
from virtualizarr.manifests import ManifestStore

from ..errors import SelectionError, prefixed_with
from ..io.stores import to_url
from ..model.arguments import check_arguments, checked
from ..model.levels import check_request, resolve_bands, resolve_level
from ..reading.header import read_index
from .build import build_virtual_zarr


@dataclass(frozen=True)
class FLACParser:
    """Read a FLAC raster as a virtual Zarr store.

    Parameters
    ----------
    variable : str
        Name of the data variable, of dimensions (band, y, x).
    bands : sequence of int, optional
        1-based bands to show, in this order. All by default.
    overview : int, optional
        Show this overview instead of the full resolution: 1 is the largest, 0 the full
        resolution alone. By default the root group is the full resolution and the overviews are
        its child groups ``overview_1``, ``overview_2`` ...
    group : str, optional
        The same by name of the child group; ``""`` or ``"full"`` is the full resolution alone.
    coordinates : bool
        Whether to add the pixel-centre coordinates ``x`` and ``y``. Without them, the transform in
        ``spatial_ref`` still says where the raster lies. Axes of more than 1,048,576 pixels have
        none.
    skip_variables : iterable of str
        Variables to leave out, for example ``["spatial_ref"]``.
    progress : callable, optional
        As for `read_index`: called with bytes while the frames of a plain file are looked for.

    Examples
    --------
    >>> from virtualizarr import open_virtual_dataset
    >>> url = "https://example.com/dem.flac"
    >>> vds = open_virtual_dataset(  # doctest: +SKIP
    ...     url, parser=FLACParser(), registry=registry_for(url)
    ... )

    Notes
    -----
    Costs one GET of 32 KiB for up to 3,000 tiles, two for more; the whole of a plain
    file of flac-raster without seek table.
    """

    variable: str = "band_data"
    bands: Sequence[int] | None = None
    overview: int | None = None
    group: str | None = None
    coordinates: bool = True
    skip_variables: Iterable[str] = ()
    progress: Callable[[int, int], Any] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_request(self.bands, self.overview, self.group)
        if isinstance(self.skip_variables, str):
            raise SelectionError(f"skip_variables is the text {self.skip_variables!r}; give a list")
        check_arguments(**{each.name: getattr(self, each.name) for each in fields(self)})

    @checked
    def __call__(self, url: str, registry: ObjectStoreRegistry[Any]) -> ManifestStore:
        """Read the header at `url`.

        Parameters
        ----------
        url : str
        registry : ObjectStoreRegistry
            Stores to read with; see `registry_for`.

        Returns
        -------
        ManifestStore

        Raises
        ------
        SourceError
            When the file cannot be read.
        LayoutError
            When it is not a FLAC raster, or a damaged one.
        SelectionError
            When it has no such band or overview.
        """
        address = to_url(url)
        index = read_index(address, registry, progress=self.progress)
        with prefixed_with(address):
            bands = resolve_bands(index.raster.count, self.bands)
            level = resolve_level(len(index.levels), self.overview, self.group)
        return build_virtual_zarr(
            index,
            address,
            registry,
            variable=self.variable,
            bands=bands,
            level=level,
            coordinates=self.coordinates,
            skip_variables=self.skip_variables,
        )
