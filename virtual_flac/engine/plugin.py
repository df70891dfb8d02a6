"""The xarray engine ``flac``: options in, datasets out.

xarray imports this module whenever it looks for engines, so everything heavy is imported when a
raster is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr
from xarray.backends import BackendEntrypoint

if TYPE_CHECKING:
    from obspec_utils.registry import ObjectStoreRegistry


class FlacBackendEntrypoint(BackendEntrypoint):
    """Open FLAC rasters with ``xr.open_dataset(url, engine="flac")``."""

    description = "FLAC rasters (streaming layout) as rioxarray shows GeoTIFFs"
    supports_groups = True

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        mask_and_scale: bool = True,
        masked: bool = False,
        decode_times: Any = True,
        decode_timedelta: Any = None,
        decode_coords: Any = True,
        use_cftime: Any = None,
        concat_characters: Any = None,
        group: str | None = None,
        overview: int | None = None,
        bands: Sequence[int] | None = None,
        variable: str = "band_data",
        coordinates: bool = True,
        registry: ObjectStoreRegistry[Any] | None = None,
        store_options: Mapping[str, Any] | None = None,
    ) -> xr.Dataset:
        """Open one level of a FLAC raster lazily.

        Parameters
        ----------
        filename_or_obj : str or path
            Local path, ``file://``, ``http(s)://``, ``s3://``, ``gs://`` or ``az://`` URL.
        drop_variables : str or iterable of str, optional
            Variables to leave out.
        mask_and_scale : bool
            Turn nodata (or what the alpha band hides) into NaN and apply scale and offset of each
            band, as rioxarray does. False gives the stored integers and the attributes.
        masked : bool
            Turn nodata into NaN without scaling; only with ``mask_and_scale=False``.
        decode_times, decode_timedelta, decode_coords, use_cftime, concat_characters
            Accepted for xarray's sake; rasters have nothing for them.
        group : str, optional
            ``"overview_1"`` and so on; the full resolution by default.
        overview : int, optional
            The same by number.
        bands : sequence of int, optional
            1-based bands to show.
        variable : str
            Name of the data variable.
        coordinates : bool
            Whether to add ``x`` and ``y``. Of axes longer than 1,048,576 pixels they are lazy.
        registry : ObjectStoreRegistry, optional
            Stores to read with.
        store_options : Mapping, optional
            Options for a store made here, see `registry_for`.

        Returns
        -------
        xarray.Dataset
            `variable` with dimensions (band, y, x); coordinates ``band``, ``y``, ``x``,
            ``spatial_ref``.
        """
        from ..model.levels import check_request
        from .dataset import DecodeOptions, OpenRaster

        check_request(bands, overview, group)
        raster = filename_or_obj
        if not isinstance(raster, OpenRaster):  # as `open_groups_as_dict` gives it, to read once
            raster = OpenRaster(raster, registry, store_options)
        decoding = DecodeOptions(
            variable, bands, mask=mask_and_scale or masked, scale=mask_and_scale, xy=coordinates
        )
        dataset = raster.dataset(decoding, overview=overview, group=group)
        return dataset.drop_vars(drop_variables or [], errors="ignore")

    def open_groups_as_dict(
        self,
        filename_or_obj: Any,
        *,
        registry: ObjectStoreRegistry[Any] | None = None,
        store_options: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, xr.Dataset]:
        """Open all levels: ``"/full"`` is the full resolution, ``"/overview_1"`` an overview.

        They are siblings under an empty root, because xarray lets no child have other
        coordinates than its parent.

        Parameters are those of `open_dataset`, without `group` and `overview`.

        Returns
        -------
        dict of str to xarray.Dataset
        """
        from .dataset import OpenRaster

        raster = OpenRaster(filename_or_obj, registry, store_options)
        levels = {
            f"/{name}": self.open_dataset(raster, group=name, **options) for name in raster.groups()
        }
        return {"/": xr.Dataset(), **levels}

    def open_datatree(self, filename_or_obj: Any, **kwargs: Any) -> xr.DataTree:
        """Open all levels as a tree, see `open_groups_as_dict`.

        Parameters are those of `open_dataset`, without `group` and `overview`.
        """
        return xr.DataTree.from_dict(self.open_groups_as_dict(filename_or_obj, **kwargs))

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether the first bytes are those of a FLAC raster.

        Local files are looked into whatever their name; URLs only when they end in ``.flac``.
        """
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        from .. import layouts
        from ..errors import FlacError
        from ..io.file_reader import FileReader
        from ..io.stores import registry_for, to_url

        text = os.fspath(filename_or_obj)
        try:
            if "://" not in text:
                with Path(text).open("rb") as file:
                    return layouts.looks_like_ours(file.read(layouts.GUESS_BYTES))
            if not text.endswith(".flac"):
                return False
            url = to_url(text)
            head = FileReader(url, registry_for(url)).read_prefix(layouts.GUESS_BYTES)
            return layouts.looks_like_ours(head)
        except (OSError, FlacError):
            return False
